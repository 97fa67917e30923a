package burst

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/edge"
	"github.com/originward/originward/internal/edge/events"
	"github.com/originward/originward/internal/edgeapi"
)

// safe is a buffer that goroutines share.
type safe struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (s *safe) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safe) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s did not come", what)
		}
	}
}

// freePort is a port on which nothing listens at the origins' addresses either.
func freePort(t *testing.T, addr string) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", addr+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort().Port()
}

type site struct {
	edge   *edge.Edge
	runner *Runner
	log    *safe // access log
	says   *safe // the edge's own messages
	at     netip.AddrPort
}

func begin(t *testing.T, diagnosis string, o Options) *site {
	t.Helper()
	const addr, dead = "127.37.0.1", "127.37.0.2"
	port := freePort(t, addr)
	text := fmt.Sprintf(`listen: {http: ['%s:%d']}
data: %s
%s
zones:
- {name: shop.example, ssl: "off", records: [{type: A, name: shop.example, content: %s, proxied: true}]}
- {name: quiet.example, ssl: "off", diagnosis: {enabled: false}, records: [{type: A, name: quiet.example, content: %s, proxied: true}]}
`, addr, port, t.TempDir(), diagnosis, dead, dead)
	cfg, err := edge.Loader().Parse("edge.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	s := &site{log: &safe{}, says: &safe{}}
	if s.edge, err = edge.New(cfg, edge.Options{AccessLog: s.log}); err != nil {
		t.Fatal(err)
	}
	if err := s.edge.Start(); err != nil {
		t.Fatal(err)
	}
	o.Log = slog.New(slog.NewTextHandler(s.says, nil))
	if s.runner, err = Start(s.edge, o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.runner.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		_ = s.edge.Shutdown(ctx) // ends with the test either way
	})
	plain, _ := s.edge.Addrs()
	s.at = plain[0]
	return s
}

// visit asks the edge and gives everything that comes back.
func (s *site) visit(t *testing.T, host string) string {
	t.Helper()
	c, err := net.Dial("tcp", s.at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\nConnection: close\r\n\r\n", host)
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Failures in numbers are diagnosed once; the owner finds the cause in log, events
// and API, and visitors find nothing of it.
func TestBurst(t *testing.T) {
	s := begin(t, "diagnosis: {failures: 3, window: 1m, gap: 1h}", Options{})
	for range 5 {
		s.visit(t, "quiet.example")
		s.visit(t, "unknown.example")
	}
	s.visit(t, "shop.example")
	s.visit(t, "shop.example")
	if strings.Contains(s.says.String(), "diagnosing") {
		t.Fatalf("begun too early: %s", s.says)
	}
	s.visit(t, "shop.example")
	wait(t, "the diagnosis", func() bool { return len(s.runner.List()) == 1 })
	wait(t, "its line", func() bool { return strings.Contains(s.says.String(), "failures: diagnosed") })
	d := s.runner.List()[0]
	if d.Zone != "shop.example" || d.Host != "shop.example" || d.Status != originward.StatusBroken || d.Fault != originward.ConnectionRefused || d.Failures != 3 {
		t.Errorf("summary %+v", d)
	}
	var whole struct {
		edge.Diagnosed
		Diagnosis originward.Diagnosis `json:"diagnosis"`
	}
	raw, err := s.runner.Read(d.ID, false)
	if err != nil || json.Unmarshal(raw, &whole) != nil || whole.Diagnosis.Edge == nil || whole.Diagnosis.Edge.Code != 521 {
		t.Errorf("diagnosis %s: %v", raw, err)
	}
	if len(d.Causes) == 0 || len(whole.Diagnosis.RootCauses) == 0 || d.Causes[0] != whole.Diagnosis.RootCauses[0] || d.Standing == originward.Proved {
		t.Errorf("causes %v (%s): without a look at the host nothing is proved", d.Causes, d.Standing)
	}
	record := false
	for _, e := range whole.Diagnosis.Evidence {
		record = record || e.Vantage == originward.Edge && e.Question == "edge_record"
	}
	if !record {
		t.Error("the edge's own record is not among the evidence")
	}

	answer := s.visit(t, "shop.example")
	for _, secret := range append([]string{d.ID, "diagnosis", string(d.Standing)}, causeNames(d.Causes)...) {
		if secret != "" && strings.Contains(answer, secret) {
			t.Errorf("a visitor is told %q:\n%s", secret, answer)
		}
	}
	if !strings.Contains(answer, " 521 ") {
		t.Errorf("the visitor gets\n%s", answer)
	}
	wait(t, "a log line with the cause", func() bool {
		return strings.Contains(s.log.String(), `"diagnosis":"`+d.ID+`","cause":"`+string(d.Causes[0])+`"`)
	})
	found := false
	for _, e := range s.edge.Events(events.Filter{}) {
		found = found || e.Source == "diagnosis" && e.RuleID == d.ID && e.Zone == "shop.example" && e.Ray == d.Ray
	}
	if !found {
		t.Error("no event tells of the diagnosis")
	}

	api := httptest.NewServer(edgeapi.New(s.edge, netip.MustParseAddr("127.0.0.1"), edgeapi.Options{Diagnoses: s.runner}))
	defer api.Close()
	for path, want := range map[string]string{
		"/originward/diagnoses":                       `"id":"` + d.ID + `"`,
		"/originward/diagnoses?zone=other.example":    `"result":[]`,
		"/originward/diagnoses/" + d.ID:               `"originward.diagnosis/1"`,
		"/originward/diagnoses/" + d.ID + "/evidence": `"originward.evidence/1"`,
		"/originward/diagnoses/20260101T000000Z-0":    "no diagnosis of this id",
	} {
		resp, err := http.Get(api.URL + edgeapi.Prefix + path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !strings.Contains(strings.ReplaceAll(string(b), ": ", ":"), want) {
			t.Errorf("%s: %v %.300s", path, err, b)
		}
	}
	query := fmt.Sprintf(`{"query": "{ viewer { zones(filter: {zoneTag: \"%s\"}) { firewallEventsAdaptive(limit: 10, filter: {}) { action source ruleId } } } }"}`, zoneID(t, api.URL))
	resp, err := http.Post(api.URL+edgeapi.Prefix+"/graphql", "application/json", strings.NewReader(query))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || !strings.Contains(string(b), "firewallEventsAdaptive") || strings.Contains(string(b), d.ID) {
		t.Errorf("the rules' events: %v %s", err, b)
	}
	// Within the gap further failures begin nothing, the diagnosis' own visits included.
	for range 10 {
		s.visit(t, "shop.example")
	}
	if n := strings.Count(s.says.String(), "failures: diagnosing"); n != 1 {
		t.Errorf("%d diagnoses within the gap", n)
	}
}

func zoneID(t *testing.T, api string) string {
	t.Helper()
	resp, err := http.Get(api + edgeapi.Prefix + "/zones?name=shop.example")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var x struct{ Result []struct{ ID string } }
	if err := json.NewDecoder(resp.Body).Decode(&x); err != nil || len(x.Result) != 1 {
		t.Fatalf("zones: %v, %+v", err, x)
	}
	return x.Result[0].ID
}

func causeNames(ids []originward.CauseID) []string {
	var out []string
	for _, id := range ids {
		out = append(out, string(id))
	}
	return out
}

// Nothing begins unless it is asked for.
func TestOffByDefault(t *testing.T) {
	s := begin(t, "", Options{Look: func(context.Context, *edge.Edge, edge.Burst) (*originward.Bundle, error) {
		t.Error("looked at a site nobody asked to look at")
		return nil, nil
	}})
	for range 30 {
		s.visit(t, "shop.example")
	}
}

func empty() *originward.Bundle {
	return &originward.Bundle{Schema: originward.EvidenceSchema, Host: "shop.example", AskedAt: time.Now().UTC(), Evidence: []originward.Evidence{}, NotObserved: []originward.NotObserved{}}
}

// One at a time, a few an hour, and a look that hangs ends with the runner.
func TestBounded(t *testing.T) {
	var mu sync.Mutex
	now, looks, at := time.Now(), 0, 0
	s := begin(t, "", Options{
		Now: func() time.Time { mu.Lock(); defer mu.Unlock(); return now },
		Look: func(context.Context, *edge.Edge, edge.Burst) (*originward.Bundle, error) {
			mu.Lock()
			defer mu.Unlock()
			looks++
			return empty(), nil
		},
	})
	offered := func(n, want int) {
		t.Helper()
		for range n {
			at++
			s.runner.queue <- edge.Burst{Zone: "shop.example", Host: "shop.example"}
		}
		wait(t, "the looks", func() bool { mu.Lock(); defer mu.Unlock(); return looks == want })
	}
	offered(perHour+5, perHour)
	wait(t, "the refusals", func() bool { return strings.Count(s.says.String(), "enough diagnoses this hour") == 5 })
	mu.Lock()
	now = now.Add(time.Hour)
	mu.Unlock()
	offered(1, perHour+1)

	hangs := begin(t, "", Options{Look: func(ctx context.Context, _ *edge.Edge, _ edge.Burst) (*originward.Bundle, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	for range maxQueue + 5 {
		hangs.runner.offer(edge.Burst{Zone: "shop.example"}) // must not block
	}
	if !strings.Contains(hangs.says.String(), "too many zones fail") {
		t.Errorf("said: %s", hangs.says)
	}
}

// The last so many are kept over a restart, for their owner alone.
func TestShelf(t *testing.T) {
	dir := t.TempDir()
	log := slog.New(slog.DiscardHandler)
	s, err := openShelf(dir, log)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		d := &originward.Diagnosis{Schema: originward.DiagnosisSchema, Host: "shop.example"}
		if err := s.add(edge.Diagnosed{ID: fmt.Sprintf("2026112%dT000000Z-0000000%d", i, i), Zone: "shop.example"}, d, empty(), 3); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "20260101T000000Z-00000000.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err = openShelf(dir, log); err != nil {
		t.Fatal(err)
	}
	list := s.list()
	if len(list) != 3 || list[0].ID != "20261124T000000Z-00000004" {
		t.Errorf("kept %+v", list)
	}
	files, err := filepath.Glob(filepath.Join(dir, "2026112*"))
	if err != nil || len(files) != 6 {
		t.Errorf("files %v, %v", files, err)
	}
	for _, f := range files {
		if info, err := os.Stat(f); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", f, info.Mode(), err)
		}
	}
	for _, id := range []string{"../../etc/passwd", "20261120T000000Z-00000000"} {
		if raw, err := s.read(id, false); raw != nil || err != nil {
			t.Errorf("%s is read: %s, %v", id, raw, err)
		}
	}
}
