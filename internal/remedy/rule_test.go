package remedy

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/originward/originward/internal/edge"
	"github.com/originward/originward/internal/edgeapi"
	"github.com/originward/originward/internal/store"
)

// ownEdge is the control API of an edge of our own with one zone.
type ownEdge struct {
	t   *testing.T
	api API
}

func newOwnEdge(t *testing.T) *ownEdge {
	t.Helper()
	cfg, err := edge.Loader().Parse("edge.yaml", []byte("listen: {http: ['127.0.0.1:0']}\nzones: []"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := edge.New(cfg, edge.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	live, err := edgeapi.NewLive(t.Context(), s, e, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(edgeapi.New(e, netip.MustParseAddr("127.0.0.1"), edgeapi.Options{Live: live}))
	t.Cleanup(func() { srv.Close(); s.Close(); _ = e.Shutdown(context.Background()) })
	t.Setenv("CLOUDFLARE_API_TOKEN", "any: the address is a loopback one")
	o := &ownEdge{t: t, api: API{Base: srv.URL + "/client/v4"}}
	o.api.Zone = o.call("POST", "/zones", `{"name":"shop.example"}`)["id"].(string)
	return o
}

// call asks the API and gives the result.
func (o *ownEdge) call(method, path, body string) map[string]any {
	o.t.Helper()
	req, err := http.NewRequestWithContext(o.t.Context(), method, o.api.Base+path, strings.NewReader(body))
	if err != nil {
		o.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		o.t.Fatal(err)
	}
	defer res.Body.Close()
	var out struct {
		Success bool            `json:"success"`
		Result  json.RawMessage `json:"result"`
	}
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil || !out.Success {
		o.t.Fatalf("%s %s: %d %v", method, path, res.StatusCode, err)
	}
	var one map[string]any
	if json.Unmarshal(out.Result, &one) != nil {
		one = map[string]any{"list": out.Result}
	}
	return one
}

// TestRule switches a custom rule off and on; all else of it, and its
// neighbours, stay.
func TestRule(t *testing.T) {
	o := newOwnEdge(t)
	path := "/zones/" + o.api.Zone + "/rulesets/phases/http_request_firewall_custom/entrypoint"
	set := o.call("PUT", path, `{"rules":[{"expression":"http.request.uri.path eq \"/a\"","action":"block","description":"first"},
		{"expression":"ip.src in {198.51.100.0/24}","action":"block","description":"second","action_parameters":{"response":{"status_code":451,"content":"no","content_type":"text/plain"}}}]}`)
	second := set["rules"].([]any)[1].(map[string]any)["id"].(string)
	state := func() string {
		raw, err := json.Marshal(o.call("GET", path, "")["rules"])
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	r := &Rule{API: o.api, ID: second}
	ch, err := r.Plan(t.Context(), nil)
	if err != nil || ch.None || !strings.Contains(ch.Show[0], "198.51.100.0/24") {
		t.Fatalf("%+v %v", ch, err)
	}
	if err := r.Apply(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if s := state(); strings.Count(s, `"enabled":false`) != 1 || !strings.Contains(s, "451") {
		t.Fatalf("after: %s", s)
	}
	if again, err := r.Plan(t.Context(), nil); err != nil || !again.None {
		t.Errorf("a rule that is off is to be switched off again: %+v %v", again, err)
	}
	for range 2 {
		if err := r.Undo(t.Context(), nil, ch.Before); err != nil {
			t.Fatal(err)
		}
	}
	if s := state(); strings.Contains(s, `"enabled":false`) || !strings.Contains(s, "451") {
		t.Fatalf("after the undo: %s", s)
	}
	if _, err := (&Rule{API: o.api, ID: "gone"}).Plan(t.Context(), nil); err == nil {
		t.Error("a rule that is not there can be switched off")
	}
}

// TestAccessRule takes an IP access rule out and makes it again, once.
func TestAccessRule(t *testing.T) {
	o := newOwnEdge(t)
	path := "/zones/" + o.api.Zone + "/firewall/access_rules/rules"
	id := o.call("POST", path, `{"mode":"block","notes":"scanner","configuration":{"target":"ip_range","value":"198.51.100.0/24"}}`)["id"].(string)
	list := func() string { raw, _ := o.call("GET", path, "")["list"].(json.RawMessage); return string(raw) }
	r := &AccessRule{API: o.api, ID: id}
	ch, err := r.Plan(t.Context(), nil)
	if err != nil || ch.None || !strings.Contains(ch.Show[0], "198.51.100.0/24") {
		t.Fatalf("%+v %v", ch, err)
	}
	if err := r.Apply(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if s := list(); s != "[]" {
		t.Fatalf("after: %s", s)
	}
	for range 2 {
		if err := r.Undo(t.Context(), nil, ch.Before); err != nil {
			t.Fatal(err)
		}
	}
	if s := list(); strings.Count(s, `"mode":"block"`) != 1 || !strings.Contains(s, "scanner") {
		t.Fatalf("after the undo: %s", s)
	}
}
