package viaedge

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

const recordJSON = `{"success":true,"errors":[],"messages":[],"result":{"egress":["173.245.48.10","173.245.48.11"],"items":[
 {"at":"2026-11-22T08:00:00Z","ray":"` + ray + `","host":"shop.example","origin":"203.0.113.10:443","egress":"173.245.48.11","ssl":"strict","code":521,"phase":"connect","fault":"connection_refused","errno":"ECONNREFUSED"}]}}`

func TestRecord(t *testing.T) {
	var auth, paths []string
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		auth, paths = append(auth, r.Header.Get("Authorization")), append(paths, r.URL.String())
		fmt.Fprint(w, recordJSON)
	}))
	defer api.Close()
	var visits atomic.Int32
	es, ms := Observe(t.Context(), Ask{
		Host: host, Scheme: "http", API: &API{Base: api.URL + "/client/v4/", Token: "secret"},
		Edges: plain(t, edge(func(w http.ResponseWriter, r *http.Request) { visits.Add(1); page(521)(w, r) })),
	})
	check(t, es, ms)
	var rec *fact.EdgeRecord
	for _, e := range es {
		if x, ok := e.Fact.(fact.EdgeRecord); ok {
			rec = &x
		}
		if strings.Contains(e.Text+e.Reproduce, "secret") {
			t.Errorf("the token is in the evidence: %+v", e)
		}
	}
	if rec == nil || len(rec.Egress) != 2 || len(rec.Items) != 1 || rec.Items[0].Fault != originward.ConnectionRefused {
		t.Errorf("%+v", rec)
	}
	if n := visits.Load(); n != 4 {
		t.Errorf("%d visits for two egress addresses, want 4", n)
	}
	if runs := series(es); len(runs) != 4 || runs[0].Egress != netip.MustParseAddr("173.245.48.11") {
		t.Errorf("%+v", runs)
	}
	for i := range paths {
		if auth[i] != "Bearer secret" || !strings.HasPrefix(paths[i], "/client/v4/originward/exchanges?host=shop.example") {
			t.Errorf("asked %s with %q", paths[i], auth[i])
		}
	}
}

// A ray that the list does not hold is asked for.
func TestRayOnItsOwn(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/rays/"+ray) {
			fmt.Fprint(w, recordJSON)
			return
		}
		fmt.Fprint(w, `{"success":true,"result":{"egress":[],"items":[]}}`)
	}))
	defer api.Close()
	es, ms := Observe(t.Context(), Ask{Host: host, Scheme: "http", Visits: 1, API: &API{Base: api.URL}, Edges: plain(t, edge(page(521)))})
	check(t, es, ms)
	for _, e := range es {
		if x, ok := e.Fact.(fact.EdgeRecord); ok && (len(x.Items) != 1 || x.Items[0].Ray != ray) {
			t.Errorf("%+v", x)
		}
	}
}

func TestNoRecord(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { t.Error("the token went elsewhere") }))
	defer elsewhere.Close()
	for _, tt := range []struct {
		name     string
		status   int
		body     string
		why      string
		sentinel error
	}{
		{"real Cloudflare", 404, `{"success":false}`, "no record", ErrNoRecord},
		{"not implemented", 501, "", "no record", ErrNoRecord},
		{"token", 403, `{"success":false,"errors":[{"code":10000,"message":"Authentication error"}]}`, "token", ErrDenied},
		{"refused", 200, `{"success":false,"errors":[{"code":1,"message":"no \u001b[2J"}]}`, `no \x1b[2J`, nil},
		{"not JSON", 200, "<html>", "not what an edge gives", nil},
		{"broken", 500, "oops", "500", nil},
		{"redirect", 302, "", "302", nil},
	} {
		api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(tt.status)
			fmt.Fprint(w, tt.body)
		}))
		a := &API{Base: api.URL, Token: "secret"}
		if _, err := a.exchanges(t.Context(), host); err == nil || tt.sentinel != nil && !errors.Is(err, tt.sentinel) {
			t.Errorf("%s: %v", tt.name, err)
		}
		es, ms := Observe(t.Context(), Ask{Host: host, Scheme: "http", Visits: 1, API: a, Edges: plain(t, edge(page(521)))})
		api.Close()
		check(t, es, ms)
		if len(ms) != 1 || ms[0].Question != fact.QEdgeRecord || !strings.Contains(ms[0].Why, tt.why) {
			t.Errorf("%s: %+v", tt.name, ms)
		}
		if len(answers(es)) != 1 {
			t.Errorf("%s: the visits are gone", tt.name)
		}
	}
	if _, err := (&API{Base: "https://api.cloudflare.com/client/v4"}).exchanges(t.Context(), host); !errors.Is(err, ErrNoRecord) {
		t.Errorf("Cloudflare: %v", err)
	}
	if _, err := (&API{Base: "shop.example"}).exchanges(t.Context(), host); err == nil || !strings.Contains(err.Error(), "http://127.0.0.1:8520") {
		t.Errorf("bad base: %v", err)
	}
}

// What the edge had on record just before our visits is from before them; older
// history, and what came since, stays.
func TestStale(t *testing.T) {
	at := func(s int) time.Time { return time.Date(2026, 11, 22, 8, 0, s, 0, time.UTC) }
	item := func(ray string, s int) fact.EdgeExchange { return fact.EdgeExchange{Ray: ray, At: at(s)} }
	history, just, own, other := item("history", 20), item("just", 48), item("own-LAB", 50), item("other", 51)
	items := []fact.EdgeExchange{other, own, just, history}
	names := func(xs []fact.EdgeExchange) string {
		var out []string
		for _, x := range xs {
			out = append(out, x.Ray)
		}
		return strings.Join(out, " ")
	}
	before := &fact.EdgeRecord{Items: []fact.EdgeExchange{own, just, history}} // read while the first visit ran
	for _, tt := range []struct {
		before *fact.EdgeRecord
		own    map[string]bool
		want   string
	}{
		{before, map[string]bool{"own": true}, "other own-LAB history"},
		{before, map[string]bool{}, "other own-LAB just history"},
		{nil, map[string]bool{"own": true}, "other own-LAB just history"},
	} {
		if got := names(stale(items, tt.before, tt.own)); got != tt.want {
			t.Errorf("%s, want %s", got, tt.want)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add([]byte(recordJSON))
	f.Add([]byte(`{"success":true,"result":{"items":[{"ray":"\u001b"}]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		rec, err := parseRecord(b)
		if err == nil && (rec == nil || len(rec.Items) > maxItems) {
			t.Errorf("%+v", rec)
		}
		if err == nil && textRecord(host, rec) == "" {
			t.Error("no text")
		}
	})
}

// While visits hang until the end of the budget, the record is still read.
func TestRecordOfAWaitingEdge(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, recordJSON) }))
	defer api.Close()
	hang := make(chan struct{})
	es, ms := func() ([]originward.Evidence, []originward.NotObserved) {
		defer close(hang)
		return Observe(t.Context(), Ask{
			Host: host, Scheme: "http", Visits: 1, API: &API{Base: api.URL},
			Edges: plain(t, edge(func(w http.ResponseWriter, r *http.Request) { <-hang })),
		})
	}()
	check(t, es, ms)
	found := false
	for _, e := range es {
		_, ok := e.Fact.(fact.EdgeRecord)
		found = found || ok
	}
	if !found || len(ms) != 0 {
		t.Errorf("no record: %+v", ms)
	}
}

// What an edge says of exchanges under way is bounded and made safe as the rest is,
// and a visit that we gave up need not end before it is on record.
func TestRecordWaiting(t *testing.T) {
	var asked atomic.Int32
	long := strings.Repeat("x", 5000)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		fmt.Fprintf(w, `{"success":true,"result":{"egress":["173.245.48.10"],"items":[],"waiting":[
 {"at":"2026-11-22T08:00:00Z","ray":"%s","host":"shop.example","origin":"203.0.113.10:443","egress":"173.245.48.10","code":0,"phase":"connect","detail":"\u001b[2J%s","phases":[{"phase":"connect","ms":2900}]}]}}`, ray, long)
	}))
	defer api.Close()
	rec, err := (&API{Base: api.URL}).exchanges(t.Context(), host)
	if err != nil || len(rec.Waiting) != 1 {
		t.Fatalf("%+v, %v", rec, err)
	}
	if d := rec.Waiting[0].Detail; len(d) > 210 || strings.Contains(d, "\x1b") {
		t.Errorf("detail %q", d)
	}
	if text := textRecord(host, rec); !strings.Contains(text, "1 × under way (connect: ") || strings.Contains(text, "\x1b") {
		t.Errorf("text %q", text)
	}
	if n := unknown(rec, nil); n != 1 {
		t.Errorf("%d exchanges are new, want 1", n)
	}
}
