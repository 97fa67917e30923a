package edge

import (
	"bytes"
	"context"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/edge/events"
	"github.com/originward/originward/internal/edge/spans"
	"github.com/originward/originward/internal/exchange"
)

// Fields of W3C Trace Context.
const (
	parentField = "Traceparent"
	stateField  = "Tracestate"
)

// openTracer makes the tracer that a configuration asks for; nil = none.
func openTracer(cfg *config.Config, o Options) (*spans.Tracer, error) {
	if cfg.Tracing.Endpoint == "" {
		return nil, nil
	}
	t := cfg.Tracing
	return spans.New(context.Background(), spans.Options{
		Endpoint: t.Endpoint, Headers: t.Headers, Sample: t.Sample, Version: o.Version, Place: cfg.Colo, Log: o.Logger,
	})
}

// traceChanged tells that a configuration asks for other traces than those of the start.
func traceChanged(a, b *config.Config) bool { return !reflect.DeepEqual(a.Tracing, b.Tracing) }

// closeTracer sends what waits.
func (e *Edge) closeTracer() error {
	if e.tracer == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), traceEnd)
	defer cancel()
	return e.tracer.Shutdown(ctx)
}

// traceEnd is how long the edge's end waits for a collector.
const traceEnd = 5 * time.Second

// place gives the visit its place in a trace.
func (v *visit) place() {
	if v.edge.tracer == nil {
		return
	}
	v.span = v.edge.tracer.Begin(v.trustedParent())
}

// trustsTrace tells whether the visitor's word on traces counts.
func (v *visit) trustsTrace() bool {
	for _, p := range v.st.cfg.Tracing.Trust {
		if p.Contains(v.conn.addr) {
			return true
		}
	}
	return false
}

// trustedParent is the visitor's traceparent where it is trusted; nil = none. More
// than one is none (W3C Trace Context section 3.2.1).
func (v *visit) trustedParent() (found []byte) {
	if v.head == nil || len(v.st.cfg.Tracing.Trust) == 0 || !v.trustsTrace() {
		return nil
	}
	for val := range v.head.Values(parentField) {
		if found != nil {
			return nil
		}
		found = val
	}
	return found
}

// traceField tells the visitor's fields of a trace that the edge replaces, or that
// belong to one that is not gone on with.
func (v *visit) traceField(name []byte) bool {
	if len(name) != len(parentField) && len(name) != len(stateField) {
		return false
	}
	return bytes.EqualFold(name, []byte(parentField)) || !v.span.Parent.IsValid() && bytes.EqualFold(name, []byte(stateField))
}

// traceLine is the traceparent that the origin gets.
func (v *visit) traceLine(b []byte) []byte {
	if !v.span.Valid() {
		return b
	}
	b = append(b, "\r\ntraceparent: "...)
	return v.span.AppendParent(b)
}

// tellSpan makes the span of a visit that has ended.
func (v *visit) tellSpan(took time.Duration) {
	s := spans.Span{Name: v.spanName(), Began: v.began, Took: took, Attributes: v.spanAttributes(), Events: v.spanEvents()}
	switch {
	case v.fault != nil && v.status >= 500:
		s.Failed = string(v.fault.Type)
	case v.fault != nil && v.cut:
		s.Failed = string(v.fault.Type)
	case v.status >= 500:
		s.Failed = strconv.Itoa(v.status)
	}
	v.edge.tracer.End(v.span, &s)
}

// knownMethods are written as they are; others would make names without end.
var knownMethods = map[string]bool{"GET": true, "HEAD": true, "POST": true, "PUT": true, "DELETE": true, "CONNECT": true, "OPTIONS": true, "TRACE": true, "PATCH": true}

func (v *visit) spanName() string {
	if knownMethods[v.method] {
		return v.method
	}
	return "HTTP"
}

// spanAttributes describe a visit by OpenTelemetry's conventions for HTTP servers,
// and what they have no word for by our own. Foreign text is bounded.
func (v *visit) spanAttributes() []attribute.KeyValue {
	path, _, _ := bytes.Cut(v.target, []byte("?"))
	out := make([]attribute.KeyValue, 0, 24)
	add := func(kv ...attribute.KeyValue) { out = append(out, kv...) }
	method := "_OTHER"
	if knownMethods[v.method] {
		method = v.method
	} else {
		add(semconv.HTTPRequestMethodOriginal(events.Bounded(v.method)))
	}
	add(semconv.HTTPRequestMethodKey.String(method), semconv.URLScheme(v.conn.scheme()), semconv.URLPath(bounded(path)),
		semconv.ServerAddress(bounded(v.host)), semconv.ServerPort(int(v.conn.local.Port())), semconv.HTTPResponseStatusCode(v.status),
		semconv.NetworkProtocolVersion(strings.TrimPrefix(v.proto.String(), "HTTP/")),
		attribute.String("originward.ray", v.ray.String()), semconv.HTTPResponseBodySize(int(v.sent)))
	if c := v.shownClient(); c != "" {
		add(semconv.ClientAddress(c))
	}
	if v.head != nil {
		if ua := v.head.Get("User-Agent"); ua != nil {
			add(semconv.UserAgentOriginal(bounded(ua)))
		}
	}
	if v.zone != nil {
		add(attribute.String("originward.zone", v.zone.Name))
	}
	if v.cache.status != "" {
		add(attribute.String("originward.cache.status", v.cache.status))
	}
	if v.ruleID != "" {
		add(attribute.String("originward.rule", v.ruleID))
	}
	return append(out, v.spanOutcome()...)
}

// spanOutcome describes what the visit had to do with an origin, and what went wrong.
func (v *visit) spanOutcome() (out []attribute.KeyValue) {
	add := func(kv ...attribute.KeyValue) { out = append(out, kv...) }
	if v.origin.IsValid() {
		add(attribute.String("originward.origin.address", v.origin.String()), attribute.Bool("originward.origin.reused", v.reused))
	}
	if v.egress.IsValid() {
		add(attribute.String("originward.egress.address", v.egress.String()))
	}
	if v.errCode != 0 {
		add(attribute.Int("originward.error_code", v.errCode))
	}
	switch {
	case v.fault != nil:
		add(semconv.ErrorTypeKey.String(string(v.fault.Type)), attribute.String("originward.phase", string(v.fault.Phase)))
		if v.faultAs != nil && v.faultAs.Errno != "" {
			add(attribute.String("originward.errno", v.faultAs.Errno))
		}
	case v.status >= 500:
		add(semconv.ErrorTypeKey.String(strconv.Itoa(v.status)))
	}
	if d := v.cause(); d != nil {
		add(attribute.String("originward.diagnosis", d.ID))
		if len(d.Causes) > 0 {
			add(attribute.String("originward.cause", string(d.Causes[0])))
		}
	}
	if v.left != "" {
		add(attribute.Bool("originward.visitor_left", true), attribute.String("originward.phase", string(v.left)))
	}
	return out
}

// spanEvents are the phases of the exchange with the origin.
func (v *visit) spanEvents() (out []spans.Event) {
	for s := exchange.StepResolve; s <= exchange.StepBody; s++ {
		if at, ok := v.trace.BeganAt(s); ok {
			took, done := v.trace.Took(s)
			out = append(out, spans.Event{Name: string(s.Phase()), At: at, Took: took, Done: done})
		}
	}
	return out
}

// bounded is foreign text as an attribute.
func bounded(b []byte) string {
	return string(bytes.ToValidUTF8([]byte(events.Bounded(b)), []byte("\uFFFD")))
}
