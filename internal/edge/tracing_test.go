package edge

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	otlp "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	pb "google.golang.org/protobuf/proto"
)

// receiver is an OTLP/HTTP collector.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	spans  []*tracev1.Span // guarded by mu
	auth   string          // guarded by mu
	things map[string]string
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{things: map[string]string{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		raw, err := io.ReadAll(q.Body)
		var x otlp.ExportTraceServiceRequest
		if err == nil {
			err = pb.Unmarshal(raw, &x)
		}
		if err != nil || q.URL.Path != "/v1/traces" {
			t.Errorf("collector: %s: %v", q.URL, err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.auth = q.Header.Get("Authorization")
		for _, rs := range x.ResourceSpans {
			maps.Copy(r.things, values(rs.Resource.Attributes))
			for _, s := range rs.ScopeSpans {
				r.spans = append(r.spans, s.Spans...)
			}
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(r.Close)
	return r
}

func values(kvs []*common.KeyValue) map[string]string {
	out := map[string]string{}
	for _, kv := range kvs {
		switch x := kv.Value.Value.(type) {
		case *common.AnyValue_StringValue:
			out[kv.Key] = x.StringValue
		case *common.AnyValue_IntValue:
			out[kv.Key] = fmt.Sprint(x.IntValue)
		case *common.AnyValue_BoolValue:
			out[kv.Key] = fmt.Sprint(x.BoolValue)
		}
	}
	return out
}

func tracedWorld(t *testing.T, tracing string, h http.HandlerFunc) (w *world, dead netip.Addr) {
	t.Helper()
	e, o, dead := hosts()
	ap, _ := origin(t, o, 0, h)
	return start(t, fmt.Sprintf(`listen: {http: ['%s:%d']}
%s
zones:
- {name: shop.example, ssl: "off", records: [{type: A, name: shop.example, content: %s, proxied: true}]}
- {name: down.example, ssl: "off", records: [{type: A, name: down.example, content: %s, proxied: true}]}
`, e, ap.Port(), tracing, o, dead)), dead
}

const trustedParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// Every sampled request is one span with its phases; what waits is sent before the
// edge has ended.
func TestSpans(t *testing.T) {
	r := newReceiver(t)
	got := make(chan http.Header, 10)
	w, dead := tracedWorld(t, fmt.Sprintf("tracing: {endpoint: '%s', sample: 1, trust: [127.0.0.0/8], headers: {Authorization: Bearer x}}", r.URL),
		func(_ http.ResponseWriter, q *http.Request) { got <- q.Header })
	w.get("http://shop.example/a?secret=1", "traceparent", trustedParent, "tracestate", "v=1")
	w.get("http://down.example/b")
	w.last(2)
	if err := w.edge.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.spans) != 2 || r.auth != "Bearer x" || r.things["service.name"] != "originward" {
		t.Fatalf("%d spans, Authorization %q, resource %v", len(r.spans), r.auth, r.things)
	}
	slices.SortFunc(r.spans, func(a, b *tracev1.Span) int { return int(a.StartTimeUnixNano) - int(b.StartTimeUnixNano) })
	good, bad := r.spans[0], r.spans[1]
	head := <-got
	if want := fmt.Sprintf("00-%x-%x-01", good.TraceId, good.SpanId); head.Get("Traceparent") != want || head.Get("Tracestate") != "v=1" {
		t.Errorf("the origin was told %q %q, the span is %s", head.Get("Traceparent"), head.Get("Tracestate"), want)
	}
	if fmt.Sprintf("%x-%x", good.TraceId, good.ParentSpanId) != trustedParent[3:52] || good.Name != "GET" || good.Kind != tracev1.Span_SPAN_KIND_SERVER {
		t.Errorf("the span %v does not go on with its parent", good)
	}
	attrs := values(good.Attributes)
	for k, want := range map[string]string{
		"http.request.method": "GET", "url.path": "/a", "url.scheme": "http", "server.address": "shop.example", "http.response.status_code": "200",
		"network.protocol.version": "1.1", "originward.zone": "shop.example", "client.address": "127.0.0.1",
	} {
		if attrs[k] != want {
			t.Errorf("%s is %q, want %q", k, attrs[k], want)
		}
	}
	if strings.Contains(good.String(), "secret") {
		t.Errorf("the query is in the span: %v", good)
	}
	var names []string
	for _, e := range good.Events {
		names = append(names, e.Name)
		if e.TimeUnixNano < good.StartTimeUnixNano || e.TimeUnixNano > good.EndTimeUnixNano {
			t.Errorf("%s lies outside of its span", e.Name)
		}
	}
	if want := []string{"connect", "write", "first_byte", "headers", "body"}; !slices.Equal(names, want) {
		t.Errorf("phases %v, want %v", names, want)
	}
	attrs = values(bad.Attributes)
	for k, want := range map[string]string{
		"error.type": "connection_refused", "originward.phase": "connect", "http.response.status_code": "521", "originward.error_code": "521",
		"originward.errno": "ECONNREFUSED", "originward.origin.address": netip.AddrPortFrom(dead, w.http.Port()).String(),
	} {
		if attrs[k] != want {
			t.Errorf("of the fault %s is %q, want %q", k, attrs[k], want)
		}
	}
	if bad.Status.Code != tracev1.Status_STATUS_CODE_ERROR || bad.Status.Message != "connection_refused" || len(bad.ParentSpanId) != 0 {
		t.Errorf("fault's span: %v", bad)
	}
}

// Who is not trusted begins no trace of others; nothing sampled, nothing sent.
func TestSpansOfStrangers(t *testing.T) {
	r := newReceiver(t)
	got := make(chan http.Header, 10)
	w, _ := tracedWorld(t, fmt.Sprintf("tracing: {endpoint: '%s', sample: 0, trust: [192.0.2.0/24]}", r.URL),
		func(_ http.ResponseWriter, q *http.Request) { got <- q.Header })
	w.get("http://shop.example/", "traceparent", trustedParent, "tracestate", "v=1")
	head := <-got
	own := head.Values("Traceparent")
	if len(own) != 1 || len(own[0]) != 55 || own[0][:35] == trustedParent[:35] || !strings.HasSuffix(own[0], "-00") || head.Get("Tracestate") != "" {
		t.Errorf("the origin was told %q, %q", own, head.Get("Tracestate"))
	}
	if l := w.last(1); l.Trace != "" {
		t.Errorf("the log names a trace that is not sampled: %+v", l)
	}
	if err := w.edge.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.spans) != 0 {
		t.Errorf("%d spans though none is sampled", len(r.spans))
	}
}

// Without a collector a visitor's traceparent is a field like any other.
func TestNoSpans(t *testing.T) {
	got := make(chan http.Header, 10)
	w, _ := tracedWorld(t, "", func(_ http.ResponseWriter, q *http.Request) { got <- q.Header })
	w.get("http://shop.example/", "traceparent", trustedParent, "tracestate", "v=1")
	if head := <-got; head.Get("Traceparent") != trustedParent || head.Get("Tracestate") != "v=1" {
		t.Errorf("the origin was told %v", head)
	}
}

// A collector that is not there, or does not answer, holds no request up.
func TestCollectorSilent(t *testing.T) {
	_, _, nobody := hosts()
	l, at := listen(t, nobody, 0) // takes connections and says nothing
	_ = l
	w, _ := tracedWorld(t, fmt.Sprintf("tracing: {endpoint: 'http://%s', sample: 1}", at), func(http.ResponseWriter, *http.Request) {})
	began := time.Now()
	for range 50 {
		w.get("http://shop.example/")
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("50 requests took %v beside a silent collector", took)
	}
	w.last(50)
}
