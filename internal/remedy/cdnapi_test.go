package remedy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// fakeCDN answers as Cloudflare's API documents (v4: dns_records, settings/ssl).
type fakeCDN struct {
	mu      sync.Mutex
	records map[string]map[string]any
	ssl     string
	next    int
	calls   []string
}

func (f *fakeCDN) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, r.Method+" "+r.URL.Path)
	w.Header().Set("Content-Type", "application/json")
	reply := func(v any) {
		_ = json.NewEncoder(w).Encode(map[string]any{"success": true, "errors": []any{}, "messages": []any{}, "result": v,
			"result_info": map[string]any{"page": 1, "per_page": 100, "count": 1, "total_count": 1, "total_pages": 1}})
	}
	if r.Header.Get("Authorization") != "Bearer secret" {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"success":false,"errors":[{"code":9109,"message":"Unauthorized"}],"messages":[],"result":null}`)
		return
	}
	var body map[string]any
	_ = json.NewDecoder(r.Body).Decode(&body)
	path := strings.TrimPrefix(r.URL.Path, "/client/v4/zones/z1/")
	id := strings.TrimPrefix(path, "dns_records/")
	switch {
	case path == "settings/ssl" && r.Method == http.MethodPatch:
		f.ssl = body["value"].(string)
		fallthrough
	case path == "settings/ssl":
		reply(map[string]any{"id": "ssl", "value": f.ssl, "editable": true})
	case path == "dns_records" && r.Method == http.MethodGet:
		all := []any{}
		for _, x := range f.records {
			all = append(all, x)
		}
		reply(all)
	case path == "dns_records" && r.Method == http.MethodPost:
		f.next++
		body["id"] = fmt.Sprintf("new%d", f.next)
		f.records[body["id"].(string)] = body
		reply(body)
	case r.Method == http.MethodDelete:
		delete(f.records, id)
		reply(map[string]any{"id": id})
	case r.Method == http.MethodPatch:
		for k, v := range body {
			f.records[id][k] = v
		}
		reply(f.records[id])
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func newFakeCDN(t *testing.T) (*fakeCDN, API) {
	t.Helper()
	f := &fakeCDN{ssl: "flexible", records: map[string]map[string]any{
		"r1": {"id": "r1", "type": "A", "name": "shop.example", "content": "203.0.113.10", "proxied": true, "ttl": 1},
		"r2": {"id": "r2", "type": "A", "name": "shop.example", "content": "203.0.113.99", "proxied": true, "ttl": 300},
	}}
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	t.Setenv("CLOUDFLARE_API_TOKEN", "secret")
	return f, API{Base: srv.URL + "/client/v4", Zone: "z1"}
}

func TestRecord(t *testing.T) {
	f, api := newFakeCDN(t)
	was := RecordContent{Type: "A", Name: "shop.example", Content: "203.0.113.99", Proxied: true, TTL: 300}
	r := &Record{API: api, ID: "r2", Was: was, Deleted: true}
	ch, err := r.Plan(t.Context(), nil)
	if err != nil || ch.None {
		t.Fatalf("%+v %v", ch, err)
	}
	if err := r.Apply(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if len(f.records) != 1 {
		t.Fatalf("records %v", f.records)
	}
	if again, err := r.Plan(t.Context(), nil); err != nil || !again.None {
		t.Errorf("a deleted record is to be deleted again: %+v %v", again, err)
	}
	for range 2 { // taking back twice makes one record
		if err := r.Undo(t.Context(), nil, ch.Before); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.records) != 2 || f.records["new1"]["content"] != "203.0.113.99" || f.records["new1"]["ttl"] != 300.0 {
		t.Errorf("records %v", f.records)
	}
	want := RecordContent{Type: "A", Name: "shop.example", Content: "203.0.113.10", TTL: 1}
	e := &Record{API: api, ID: "r1", Was: RecordContent{"A", "shop.example", "203.0.113.10", true, 1, ""}, Want: want}
	ch, err = e.Plan(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Apply(t.Context(), nil); err != nil || f.records["r1"]["proxied"] != false {
		t.Fatalf("%v %v", err, f.records["r1"])
	}
	if err := e.Undo(t.Context(), nil, ch.Before); err != nil || f.records["r1"]["proxied"] != true {
		t.Fatalf("%v %v", err, f.records["r1"])
	}
}

func TestSSLMode(t *testing.T) {
	f, api := newFakeCDN(t)
	s := &SSL{API: api, Want: "strict"}
	ch, err := s.Plan(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(t.Context(), nil); err != nil || f.ssl != "strict" {
		t.Fatalf("%s %v", f.ssl, err)
	}
	if err := s.Undo(t.Context(), nil, ch.Before); err != nil || f.ssl != "flexible" {
		t.Fatalf("%s %v", f.ssl, err)
	}
	writes := len(f.calls)
	if err := s.Undo(t.Context(), nil, ch.Before); err != nil || strings.HasPrefix(f.calls[len(f.calls)-1], "PATCH") || len(f.calls) == writes {
		t.Errorf("an undo of what is as it was writes: %v %v", f.calls[writes:], err)
	}
	t.Setenv("CLOUDFLARE_API_TOKEN", "wrong")
	if err := s.Apply(t.Context(), nil); err == nil || !strings.HasSuffix(err.Error(), "the CDN says: Unauthorized") {
		t.Errorf("a refused token: %v", err)
	}
	t.Setenv("CLOUDFLARE_API_TOKEN", "")
	if _, err := s.Plan(t.Context(), nil); err == nil {
		t.Error("no token is no error")
	}
}

// TestLowerMode: a lower SSL mode is chosen where it is asked for, and nowhere
// else; it is the CDN's part then.
func TestLowerMode(t *testing.T) {
	_, api := newFakeCDN(t)
	for _, id := range lowered {
		if _, cdn, mine := ScopeHost.planner(id, Wish{}); cdn || !mine {
			t.Errorf("%s is not cured on the host", id)
		}
		plan, cdn, mine := ScopeCDN.planner(id, Wish{LowerMode: true})
		if !cdn || !mine {
			t.Errorf("%s: a lower mode is not the CDN's part", id)
			continue
		}
		s := &site{b: bundleWith(t, fact.WebConfig{}), cdn: api}
		steps, err := plan(t.Context(), s, nil)
		if err != nil || len(steps) != 1 || steps[0].Do.(*SSL).Want != originward.SSLFull || steps[0].Risk == "" || steps[0].Better == "" {
			t.Errorf("%s: %+v %v", id, steps, err)
		}
	}
	if _, cdn, _ := ScopeCDN.planner("listener.none", Wish{LowerMode: true}); cdn {
		t.Error("a lower mode cures a server that is down")
	}
}

// TestTokenFromEnv: a guard inherits the token that only the environment holds.
func TestTokenFromEnv(t *testing.T) {
	env, file := API{Base: "http://192.0.2.1/client/v4"}, API{Base: "http://192.0.2.1/client/v4", TokenFile: "/root/token"}
	for want, steps := range map[bool][][]Step{
		true:  {{step("config", "", &Config{}), step("ssl", "", &SSL{API: env})}, {step("origincert", "", &OriginCert{API: env})}, {step("record", "", &Record{API: env})}},
		false: {nil, {step("config", "", &Config{})}, {step("rule", "", &Rule{API: file}), step("access", "", &AccessRule{API: file})}},
	} {
		for i, list := range steps {
			if got := (Plan{Steps: list}).tokenFromEnv(); got != want {
				t.Errorf("%v %d: %v", want, i, got)
			}
		}
	}
}
