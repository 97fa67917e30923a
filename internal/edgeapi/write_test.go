package edgeapi

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/edge"
	"github.com/originward/originward/internal/store"
)

// kept is an edge whose API has a store.
type kept struct {
	t     testing.TB
	edge  *edge.Edge
	store *store.Store
	base  string
	http  string // address of the edge's visitors
	log   *bytes.Buffer
	token string // sent when not empty
}

func startKept(t testing.TB) *kept {
	t.Helper()
	return startKeptWith(t, "")
}

// startKeptWith is startKept with more in the configuration.
func startKeptWith(t testing.TB, more string) *kept {
	t.Helper()
	return startKeptAt(t, filepath.Join(t.TempDir(), "store.db"), more)
}

// startKeptAt is startKeptWith on a given store.
func startKeptAt(t testing.TB, place, more string) *kept {
	t.Helper()
	cfg, err := edge.Loader().Parse("edge.yaml", []byte(more+`listen: {http: ['127.0.0.1:0'], api: '127.0.0.1:0'}
egress: [127.0.0.1]
zones: [{name: file.example, records: [{type: A, name: file.example, content: 127.0.0.9, proxied: true}]}]
`))
	if err != nil {
		t.Fatal(err)
	}
	e, err := edge.New(cfg, edge.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), place, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	k := &kept{t: t, edge: e, store: s, log: &bytes.Buffer{}}
	log := slog.New(slog.NewTextHandler(k.log, nil))
	live, err := NewLive(t.Context(), s, e, log)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	api, err := Start(e, Options{Live: live, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(context.Background())
	var keeper sync.WaitGroup
	keeper.Go(func() { live.Run(running) })
	plain, _ := e.Addrs()
	k.base, k.http = "http://"+api.Addr().String()+Prefix, plain[0].String()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		stop()
		keeper.Wait()
		if err := api.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := e.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		s.Close()
	})
	return k
}

func (k *kept) slog() *slog.Logger { return slog.New(slog.NewTextHandler(k.log, nil)) }

// reply1 is an answer as a client reads it.
type reply1 struct {
	status int
	header http.Header
	raw    []byte
	Errors []struct {
		Code    int
		Message string
		Source  struct{ Pointer string }
	}
	Result json.RawMessage
}

func (k *kept) send(method, path, body string, header ...string) reply1 {
	k.t.Helper()
	req, err := http.NewRequest(method, k.base+path, strings.NewReader(body))
	if err != nil {
		k.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if k.token != "" {
		req.Header.Set("Authorization", "Bearer "+k.token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		k.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		k.t.Fatal(err)
	}
	r := reply1{status: resp.StatusCode, header: resp.Header, raw: b}
	_ = json.Unmarshal(b, &r) // zone files are no JSON
	return r
}

// do wants success and gives the result.
func (k *kept) do(method, path, body string) map[string]any {
	k.t.Helper()
	r := k.send(method, path, body)
	if r.status != 200 {
		k.t.Fatalf("%s %s %s: %d %s", method, path, body, r.status, r.raw)
	}
	var m map[string]any
	_ = json.Unmarshal(r.Result, &m) // lists are read by their tests
	return m
}

func (k *kept) list(path string) []map[string]any {
	k.t.Helper()
	r := k.send("GET", path, "")
	var m []map[string]any
	if err := json.Unmarshal(r.Result, &m); r.status != 200 || err != nil {
		k.t.Fatalf("%s: %d %v %s", path, r.status, err, r.raw)
	}
	return m
}

// refused wants an error of a status, a code and a place in the body.
func (k *kept) refused(method, path, body string, status, code int, pointer string, header ...string) {
	k.t.Helper()
	r := k.send(method, path, body, header...)
	if r.status != status || len(r.Errors) == 0 || r.Errors[0].Code != code || r.Errors[0].Source.Pointer != pointer {
		k.t.Errorf("%s %s %s: %d %s; want %d, code %d at %q", method, path, body, r.status, r.raw, status, code, pointer)
	}
}

func (k *kept) zone(name string) string {
	k.t.Helper()
	return "/zones/" + k.do("POST", "/zones", fmt.Sprintf(`{"name":%q}`, name))["id"].(string)
}

// visit asks the edge for a site.
func (k *kept) visit(host, path string) *http.Response {
	k.t.Helper()
	resp, _ := k.fetch(host, path)
	return resp
}

// fetch asks the edge for a site and reads what it answers.
func (k *kept) fetch(host, path string) (*http.Response, string) {
	k.t.Helper()
	req, err := http.NewRequest("GET", "http://"+k.http+path, nil)
	if err != nil {
		k.t.Fatal(err)
	}
	req.Host = host
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		k.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		k.t.Fatal(err)
	}
	return resp, string(b)
}

// A second edge on the same store takes over what the API of the first one changes.
func TestTwoEdgesOnOneStore(t *testing.T) {
	place := filepath.Join(t.TempDir(), "store.db")
	a, b := startKeptAt(t, place, ""), startKeptAt(t, place, "")
	zone := a.zone("shop.example")
	until := func(what string, holds func() bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal(what)
			}
		}
	}
	has := func(k *kept, name string) bool {
		return slices.ContainsFunc(k.edge.Config().Zones, func(z config.Zone) bool { return z.Name == name })
	}
	until("the other edge does not serve the zone", func() bool { return has(b, "shop.example") })
	b.do("POST", zone+"/dns_records", `{"type":"A","name":"@","content":"127.0.0.77","proxied":true}`)
	records := func() int {
		i := slices.IndexFunc(a.edge.Config().Zones, func(z config.Zone) bool { return z.Name == "shop.example" })
		return len(a.edge.Config().Zones[i].Records)
	}
	until("the first edge does not serve the record", func() bool { return records() == 1 })
	b.do("DELETE", zone, "")
	until("the first edge still serves a deleted zone", func() bool { return !has(a, "shop.example") })
}

func TestZoneLife(t *testing.T) {
	k := startKept(t)
	z := k.do("POST", "/zones", `{"name":"Shop.Example.","account":{"id":"`+accountID+`"},"type":"full"}`)
	if z["name"] != "shop.example" || z["status"] != "active" || z["paused"] != false {
		t.Errorf("created %v", z)
	}
	path := "/zones/" + z["id"].(string)
	k.refused("POST", "/zones", `{"name":"shop.example"}`, 400, codeZoneExists, "")
	k.refused("POST", "/zones", `{"name":"file.example"}`, 400, codeZoneExists, "")
	k.refused("POST", "/zones", `{"name":"a b"}`, 400, codeZoneName, "/name")
	k.refused("POST", "/zones", `{"name":7}`, 400, codeBody, "/name")
	k.refused("POST", "/zones", `{"name":"x.example","type":"partial"}`, 400, codeField, "/type")
	k.refused("POST", "/zones", `{"name":"x.example","account":{"id":"7"}}`, 400, codeField, "/account/id")
	k.refused("POST", "/zones", `{`, 400, codeBody, "")
	if got := k.list("/zones?name=shop.example"); len(got) != 1 || got[0]["id"] != z["id"] {
		t.Errorf("by name %v", got)
	}
	if got := k.list("/zones"); len(got) != 2 {
		t.Errorf("zones %v", got)
	}
	if got := k.do("PATCH", path, `{"paused":true}`); got["paused"] != true {
		t.Errorf("paused %v", got)
	}
	k.do("PUT", path+"/activation_check", "")
	file := "/zones/" + zoneID("file.example")
	k.refused("DELETE", file, "", 403, codeReadOnly, "")
	k.refused("POST", file+"/dns_records", `{}`, 403, codeReadOnly, "")
	k.do("DELETE", path, "")
	k.refused("GET", path, "", 404, codeNoObject, "")
}

func TestRecordLife(t *testing.T) {
	k := startKept(t)
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") }))
	defer origin.Close()
	zone := k.zone("shop.example")
	_, port, _ := strings.Cut(strings.TrimPrefix(origin.URL, "http://"), ":")
	k.do("PATCH", zone+"/settings/ssl", `{"value":"flexible"}`)
	k.do("PUT", zone+"/rulesets/phases/http_request_origin/entrypoint", `{"rules":[{"expression":"true","action":"route","action_parameters":{"origin":{"port":`+port+`}}}]}`)
	if code := k.visit("www.shop.example", "/").StatusCode; code == 200 {
		t.Errorf("a name without a record is served: %d", code)
	}
	r := k.do("POST", zone+"/dns_records", `{"type":"A","name":"www","content":"127.0.0.1","proxied":true,"ttl":1,"comment":"first","tags":["a:b"]}`)
	if r["name"] != "www.shop.example" || r["zone_name"] != "shop.example" || r["proxiable"] != true || r["comment"] != "first" {
		t.Errorf("created %v", r)
	}
	// The answer says that it is in force.
	if code := k.visit("www.shop.example", "/").StatusCode; code != 200 {
		t.Errorf("right after the change: %d", code)
	}
	rec := zone + "/dns_records/" + r["id"].(string)
	k.do("PATCH", rec, `{"content":"127.0.0.77"}`)
	if code := k.visit("www.shop.example", "/").StatusCode; code != 521 {
		t.Errorf("after a change to an address that refuses: %d", code)
	}
	if got := k.do("GET", rec, ""); got["content"] != "127.0.0.77" || got["proxied"] != true || got["comment"] != "first" {
		t.Errorf("changed %v", got)
	}
	if got := k.do("PUT", rec, `{"type":"A","name":"www","content":"127.0.0.1","ttl":300}`); got["proxied"] != false || got["comment"] != nil || got["ttl"] != 300.0 {
		t.Errorf("replaced %v", got)
	}
	for _, c := range []struct {
		body          string
		code          int
		pointer, note string
	}{
		{`{"type":"A","name":"x","content":"nonsense"}`, 9005, "/content", "address"},
		{`{"type":"A","name":"x","content":"127.0.0.1","ttl":5}`, codeTTL, "/ttl", "TTL"},
		{`{"type":"TXT","name":"x","content":"y","proxied":true}`, codeNotProxied, "/proxied", "colour"},
		{`{"type":"A","name":"www","content":"127.0.0.1"}`, codeIdentical, "", "identical"},
		{`{"type":"CNAME","name":"www","content":"x.example"}`, codeHostTaken, "", "beside A"},
		{`{"type":"NS","name":"@","content":"ns.example"}`, codeHostTaken, "/name", "apex NS"},
		{`{"type":"A","name":"x","content":"127.0.0.1","tags":[""]}`, 9208, "/tags/0", "tag"},
		{`{"type":"A","name":"x","content":["127.0.0.1"]}`, codeBody, "/content", "wrong type"},
	} {
		k.refused("POST", zone+"/dns_records", c.body, 400, c.code, c.pointer)
	}
	k.do("POST", zone+"/dns_records", `{"type":"CNAME","name":"alias","content":"x.example","proxied":true}`)
	k.do("POST", zone+"/dns_records", `{"type":"TXT","name":"alias","content":"beside a proxied alias"}`)
	k.refused("POST", zone+"/dns_records", `{"type":"A","name":"alias","content":"127.0.0.1"}`, 400, codeCNAMETaken, "")
	alias := k.list(zone + "/dns_records?type=CNAME")[0]["id"].(string)
	k.refused("PATCH", zone+"/dns_records/"+alias, `{"proxied":false}`, 400, codeHostTaken, "")
	k.do("DELETE", rec, "")
	k.refused("DELETE", rec, "", 404, codeNoRecord, "")
	k.refused("GET", rec, "", 404, codeNoRecord, "")
	k.do("POST", zone+"/dns_records", `{"type":"SRV","name":"_sip._tcp","data":{"priority":1,"weight":2,"port":5060,"target":"sip.shop.example"},"ttl":120}`)
	if got := k.list(zone + "/dns_records?type=SRV")[0]; got["priority"] != 1.0 || got["data"].(map[string]any)["port"] != 5060.0 {
		t.Errorf("SRV %v", got)
	}
}

func TestBatch(t *testing.T) {
	k := startKept(t)
	zone := k.zone("shop.example")
	a := k.do("POST", zone+"/dns_records", `{"type":"A","name":"a","content":"192.0.2.1"}`)["id"].(string)
	b := k.do("POST", zone+"/dns_records", `{"type":"A","name":"b","content":"192.0.2.1"}`)["id"].(string)
	// One that is wrong keeps all from being made.
	k.refused("POST", zone+"/dns_records/batch", `{"deletes":[{"id":"`+a+`"}],"posts":[{"type":"A","name":"c","content":"192.0.2.1"},{"type":"A","name":"d","content":"x"}]}`, 400, 9005, "/posts/1/content")
	k.refused("POST", zone+"/dns_records/batch", `{"deletes":[{"id":"nonsense"}]}`, 404, codeNoRecord, "/deletes/0")
	k.refused("POST", zone+"/dns_records/batch", `{}`, 400, codeField, "")
	if n := len(k.list(zone + "/dns_records")); n != 2 {
		t.Fatalf("%d records after a batch that failed", n)
	}
	// Deletes come first, so a name can change its type at once.
	got := k.do("POST", zone+"/dns_records/batch", `{"posts":[{"type":"CNAME","name":"a","content":"x.example"}],"deletes":[{"id":"`+a+`"}],"patches":[{"id":"`+b+`","ttl":600}]}`)
	if len(got["posts"].([]any)) != 1 || len(got["patches"].([]any)) != 1 || len(got["deletes"].([]any)) != 1 || len(got["puts"].([]any)) != 0 {
		t.Errorf("batch %v", got)
	}
}

func TestZoneFiles(t *testing.T) {
	k := startKept(t)
	zone := k.zone("shop.example")
	const file = `$ORIGIN shop.example.
$TTL 3600
@ IN SOA ns.elsewhere. root.elsewhere. 1 2 3 4 5
@ IN NS ns.elsewhere.
@ IN A 192.0.2.1 ; cf_tags=cf-proxied:true
www IN CNAME @ ; the shop
@ IN MX 10 mail
mail 60 IN AAAA 2001:db8::1
@ IN TXT "v=spf1 -all" "more"
_sip._tcp IN SRV 1 2 5060 mail
@ IN CAA 0 issue "letsencrypt.org"
`
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	part, _ := w.CreateFormFile("file", "zone.txt")
	fmt.Fprint(part, file)
	_ = w.WriteField("proxied", "false")
	w.Close()
	r := k.send("POST", zone+"/dns_records/import", form.String(), "Content-Type", w.FormDataContentType())
	var counts struct {
		Added int `json:"recs_added"`
		Total int `json:"total_records_parsed"`
	}
	if err := json.Unmarshal(r.Result, &counts); err != nil || r.status != 200 || counts.Added != 7 || counts.Total != 9 {
		t.Fatalf("import: %d %s", r.status, r.raw)
	}
	apex := k.list(zone + "/dns_records?type=A&name=shop.example")
	if len(apex) != 1 || apex[0]["proxied"] != true {
		t.Errorf("apex %v", apex)
	}
	if www := k.list(zone + "/dns_records?name=www.shop.example"); len(www) != 1 || www[0]["comment"] != "the shop" || www[0]["ttl"] != 3600.0 {
		t.Errorf("www %v", www)
	}
	out := k.send("GET", zone+"/dns_records/export", "")
	if !strings.HasPrefix(out.header.Get("Content-Type"), "text/plain") {
		t.Errorf("export: %v", out.header)
	}
	// What is exported can be imported elsewhere, and says the same there.
	other := k.zone("other.example")
	moved := strings.ReplaceAll(string(out.raw), "shop.example", "other.example")
	if r := k.send("POST", other+"/dns_records/import", moved, "Content-Type", "text/plain"); r.status != 200 {
		t.Fatalf("import of the export: %d %s\n%s", r.status, r.raw, moved)
	}
	strip := func(b []byte) string {
		_, rest, _ := strings.Cut(string(b), "$ORIGIN")
		return strings.ReplaceAll(rest, "other.example", "shop.example")
	}
	if again := k.send("GET", other+"/dns_records/export", ""); strip(again.raw) != strip(out.raw) {
		t.Errorf("exported\n%s\nimported\n%s", out.raw, again.raw)
	}
	// Again: nothing is there twice.
	r = k.send("POST", zone+"/dns_records/import", file, "Content-Type", "text/plain")
	if err := json.Unmarshal(r.Result, &counts); err != nil || counts.Added != 0 {
		t.Errorf("imported twice: %s", r.raw)
	}
	for _, bad := range []string{"@ IN A nonsense", "$INCLUDE /etc/passwd", "@ IN HINFO a b", "www.elsewhere.example. IN A 192.0.2.1"} {
		if r := k.send("POST", zone+"/dns_records/import", bad, "Content-Type", "text/plain"); r.status != 400 || strings.Contains(string(r.raw), "root:") {
			t.Errorf("%s: %d %s", bad, r.status, r.raw)
		}
	}
}

func TestSettingsWrite(t *testing.T) {
	k := startKept(t)
	zone := k.zone("shop.example")
	for id, c := range map[string]struct{ value, bad string }{
		"ssl": {`"strict"`, `"sometimes"`}, "always_use_https": {`"on"`, `true`}, "min_tls_version": {`"1.3"`, `1.3`}, "proxy_read_timeout": {`300`, `6001`},
		"http2": {`"off"`, `"maybe"`}, "origin_max_http_version": {`"1"`, `"3"`}, "websockets": {`"on"`, `"off"`},
	} {
		if got := k.do("PATCH", zone+"/settings/"+id, `{"value":`+c.value+`}`); fmt.Sprint(got["value"]) != strings.Trim(c.value, `"`) {
			t.Errorf("%s: %v", id, got)
		}
		k.refused("PATCH", zone+"/settings/"+id, `{"value":`+c.bad+`}`, 400, codeSetting, "/value")
	}
	k.refused("PATCH", zone+"/settings/sll", `{"value":"on"}`, 404, codeNoObject, "")
	k.do("PATCH", zone+"/settings", `{"items":[{"id":"ssl","value":"full"},{"id":"always_use_https","value":"off"}]}`)
	if got := k.do("GET", zone+"/settings/ssl", ""); got["value"] != "full" || got["editable"] != true {
		t.Errorf("ssl %v", got)
	}
	k.refused("PATCH", zone+"/settings", `{"items":[{"id":"ssl","value":"off"},{"id":"min_tls_version","value":"9"}]}`, 400, codeSetting, "/items/1/value")
	if got := k.do("GET", zone+"/settings/ssl", ""); got["value"] != "full" {
		t.Errorf("a list that was refused was made in part: %v", got)
	}
}

func TestRulesetWrite(t *testing.T) {
	k := startKept(t)
	zone := k.zone("shop.example")
	k.do("POST", zone+"/dns_records", `{"type":"A","name":"@","content":"127.0.0.77","proxied":true}`)
	custom := zone + "/rulesets/phases/http_request_firewall_custom/entrypoint"
	k.refused("GET", custom, "", 404, codeNoRuleset, "")
	set := k.do("PUT", custom, `{"rules":[{"description":"no admin","expression":"http.request.uri.path eq \"/admin\"","action":"block"}]}`)
	rules := set["rules"].([]any)
	first := rules[0].(map[string]any)
	if len(rules) != 1 || len(first["id"].(string)) != 32 || first["enabled"] != true || first["version"] != "1" || set["phase"] != "http_request_firewall_custom" {
		t.Fatalf("ruleset %v", set)
	}
	if a, b := k.visit("shop.example", "/admin").StatusCode, k.visit("shop.example", "/").StatusCode; a != 403 || b != 521 {
		t.Errorf("with the rule: %d, without: %d", a, b)
	}
	path := zone + "/rulesets/" + set["id"].(string)
	set = k.do("POST", path+"/rules", `{"expression":"http.request.uri.path eq \"/second\"","action":"block","position":{"index":1}}`)
	if r := set["rules"].([]any); len(r) != 2 || r[1].(map[string]any)["id"] != first["id"] {
		t.Fatalf("added %v", set)
	}
	k.do("PATCH", path+"/rules/"+first["id"].(string), `{"enabled":false}`)
	if code := k.visit("shop.example", "/admin").StatusCode; code != 521 {
		t.Errorf("with the rule turned off: %d", code)
	}
	set = k.do("GET", path, "")
	if r := set["rules"].([]any)[1].(map[string]any); r["version"] != "2" || r["expression"] != first["expression"] {
		t.Errorf("changed %v", r)
	}
	for body, pointer := range map[string]string{
		`{"rules":[{"expression":"true","action":"block"},{"expression":"http.nonsense eq 1","action":"block"}]}`: "/rules/1/expression",
		`{"rules":[{"expression":"true","action":"explode"}]}`:                                                    "/rules/0/action",
		`{"rules":[{"expression":"true","action":"block","surprise":1}]}`:                                         "/rules/0",
		`{"rules":[null]}`: "/rules/0",
	} {
		r := k.send("PUT", custom, body)
		if r.status != 400 || len(r.Errors) == 0 || r.Errors[0].Source.Pointer != pointer {
			t.Errorf("%s: %d %s, want %s", body, r.status, r.raw, pointer)
		}
	}
	k.refused("POST", path+"/rules", `{"expression":"true and","action":"block"}`, 400, codeField, "/expression")
	k.refused("PUT", zone+"/rulesets/phases/http_request_sbfm/entrypoint", `{"rules":[]}`, 400, codeRuleset, "")
	k.do("PUT", zone+"/rulesets/phases/http_ratelimit/entrypoint", `{"rules":[{"expression":"true","action":"block","ratelimit":{"characteristics":["ip.src","cf.colo.id"],"requests_per_period":1,"period":10,"mitigation_timeout":10}}]}`)
	k.visit("shop.example", "/")
	if code := k.visit("shop.example", "/").StatusCode; code != 429 {
		t.Errorf("above the limit: %d", code)
	}
	if got := k.list(zone + "/rulesets"); len(got) != 2 {
		t.Errorf("rulesets %v", got)
	}
	k.do("DELETE", path+"/rules/"+first["id"].(string), "")
	k.do("DELETE", path, "")
	k.refused("GET", path, "", 404, codeNoRuleset, "")
}

func TestTokenScopes(t *testing.T) {
	k := startKept(t)
	mine, other := k.zone("mine.example"), k.zone("other.example")
	id := strings.TrimPrefix(mine, "/zones/")
	made := k.do("POST", "/user/tokens", `{"name":"dns of mine","policies":[{"effect":"allow","resources":{"com.cloudflare.api.account.zone.`+id+`":"*"},
		"permission_groups":[{"id":"4755a26eedb94da69e1066d98aa820be"},{"id":"c8fed203ed3043cba015a93ad1616f1f"}]}]}`)
	value, tokenPath := made["value"].(string), "/user/tokens/"+made["id"].(string)
	if len(value) != 40 {
		t.Errorf("token of %d characters", len(value))
	}
	if got := k.do("GET", tokenPath, ""); got["value"] != nil || got["hash"] != nil {
		t.Errorf("a token is shown again: %v", got)
	}
	root := *k
	k.token = value
	if got := k.do("GET", "/user/tokens/verify", ""); got["status"] != "active" || got["id"] != made["id"] {
		t.Errorf("verify %v", got)
	}
	if got := k.list("/zones"); len(got) != 1 || got[0]["name"] != "mine.example" {
		t.Errorf("zones of a token for one: %v", got)
	}
	k.do("POST", mine+"/dns_records", `{"type":"A","name":"@","content":"192.0.2.1"}`)
	k.refused("POST", other+"/dns_records", `{"type":"A","name":"@","content":"192.0.2.1"}`, 403, codeAuth, "")
	k.refused("PATCH", mine+"/settings/ssl", `{"value":"off"}`, 403, codeAuth, "")
	k.refused("DELETE", mine, "", 403, codeAuth, "")
	k.refused("GET", "/user/tokens", "", 403, codeAuth, "")
	k.refused("GET", "/accounts/"+accountID+"/audit_logs", "", 403, codeAuth, "")
	if r := k.send("PATCH", mine+"/settings/ssl", `{"value":"off"}`); !strings.Contains(string(r.raw), "Zone Settings Write") {
		t.Errorf("the missing permission is not named: %s", r.raw)
	}
	// A new value ends the old one.
	var rolled string
	if err := json.Unmarshal(root.send("PUT", tokenPath+"/value", "{}").Result, &rolled); err != nil || rolled == value {
		t.Fatalf("rolled: %v", err)
	}
	k.refused("GET", "/user/tokens/verify", "", 403, codeAuth, "")
	k.token = rolled
	k.do("GET", "/user/tokens/verify", "")
	policies := `"policies":[{"effect":"allow","resources":{"com.cloudflare.api.account.zone.*":"*"},"permission_groups":[{"id":"82e64a83756745bbbb1c9c2701bf816b"}]},
		{"effect":"deny","resources":{"com.cloudflare.api.account.zone.` + id + `":"*"},"permission_groups":[{"id":"82e64a83756745bbbb1c9c2701bf816b"}]}]`
	root.do("PUT", tokenPath, `{"name":"all but mine",`+policies+`}`)
	k.refused("GET", mine+"/dns_records", "", 403, codeAuth, "")
	k.do("GET", other+"/dns_records", "")
	k.refused("POST", other+"/dns_records", `{"type":"A","name":"@","content":"192.0.2.1"}`, 403, codeAuth, "")
	root.do("PUT", tokenPath, `{"name":"off","status":"disabled",`+policies+`}`)
	k.refused("GET", other+"/dns_records", "", 403, codeForbidden, "")
	root.do("PUT", tokenPath, `{"name":"elsewhere","condition":{"request_ip":{"in":["192.0.2.0/24"]}},`+policies+`}`)
	k.refused("GET", other+"/dns_records", "", 403, codeForbidden, "")
	root.do("DELETE", tokenPath, "")
	root.refused("GET", tokenPath, "", 404, codeNoObject, "")
	if s := k.log.String(); strings.Contains(s, value) || strings.Contains(s, rolled) {
		t.Errorf("a token stands in the log: %s", s)
	}
}

func TestTokensRefused(t *testing.T) {
	k := startKept(t)
	const all = `"resources":{"com.cloudflare.api.account.zone.*":"*"}`
	for body, pointer := range map[string]string{
		`{"policies":[]}`:                                          "/name",
		`{"name":"x","policies":[]}`:                               "/policies",
		`{"name":"x","policies":[{}]}`:                             "/policies/0/effect",
		`{"name":"x","policies":[{"effect":"allow",` + all + `}]}`: "/policies/0/permission_groups",
		`{"name":"x","policies":[{"effect":"allow",` + all + `,"permission_groups":[{"id":"nonsense"}]}]}`:                                              "/policies/0/permission_groups/0/id",
		`{"name":"x","policies":[{"effect":"allow","resources":{"everything":"*"},"permission_groups":[{"name":"DNS Read"}]}]}`:                         "/policies/0/resources",
		`{"name":"x","expires_on":"2001-01-01T00:00:00Z","policies":[{"effect":"allow",` + all + `,"permission_groups":[{"name":"DNS Read"}]}]}`:        "/expires_on",
		`{"name":"x","condition":{"request_ip":{"in":["here"]}},"policies":[{"effect":"allow",` + all + `,"permission_groups":[{"name":"DNS Read"}]}]}`: "/condition/request_ip",
		`{"name":"x","status":"asleep","policies":[{"effect":"allow",` + all + `,"permission_groups":[{"name":"DNS Read"}]}]}`:                          "/status",
	} {
		k.refused("POST", "/user/tokens", body, 400, codeField, pointer)
	}
	// A token that may make tokens cannot give more than it has.
	made := k.do("POST", "/user/tokens", `{"name":"maker","policies":[{"effect":"allow","resources":{"com.cloudflare.api.account.`+accountID+`":"*"},"permission_groups":[{"name":"Account API Tokens Write"}]}]}`)
	k.token = made["value"].(string)
	k.refused("POST", "/user/tokens", `{"name":"more","policies":[{"effect":"allow",`+all+`,"permission_groups":[{"name":"DNS Write"}]}]}`, 403, codeForbidden, "")
}

func TestETags(t *testing.T) {
	k := startKept(t)
	zone := k.zone("shop.example")
	rec := zone + "/dns_records/" + k.do("POST", zone+"/dns_records", `{"type":"A","name":"@","content":"192.0.2.1"}`)["id"].(string)
	tag := k.send("GET", rec, "").header.Get("ETag")
	if r := k.send("GET", rec, "", "If-None-Match", tag); r.status != 304 || len(r.raw) > 0 {
		t.Errorf("unchanged: %d", r.status)
	}
	list := k.send("GET", zone+"/dns_records", "").header.Get("ETag")
	if r := k.send("PATCH", rec, `{"content":"192.0.2.2"}`, "If-Match", tag); r.status != 200 || r.header.Get("ETag") == tag {
		t.Errorf("a change from the version that was read: %d %v", r.status, r.header)
	}
	k.refused("PATCH", rec, `{"content":"192.0.2.3"}`, 412, codeConflict, "", "If-Match", tag)
	k.refused("DELETE", rec, "", 412, codeConflict, "", "If-Match", tag)
	if r := k.send("GET", zone+"/dns_records", "", "If-None-Match", list); r.status != 200 {
		t.Errorf("a list that has changed: %d", r.status)
	}
}

func TestAuditOfTheAPI(t *testing.T) {
	k := startKept(t)
	zone := k.zone("shop.example")
	rec := k.do("POST", zone+"/dns_records", `{"type":"A","name":"@","content":"192.0.2.1","proxied":true}`)["id"].(string)
	k.do("PATCH", zone+"/dns_records/"+rec, `{"proxied":false}`)
	log := k.list("/accounts/" + accountID + "/audit_logs?zone.name=shop.example&per_page=1")
	if len(log) != 1 || log[0]["action"].(map[string]any)["type"] != "change" || log[0]["resource"].(map[string]any)["id"] != rec {
		t.Fatalf("log %v", log)
	}
	if !strings.Contains(log[0]["oldValue"].(string), `"proxied":true`) || !strings.Contains(log[0]["newValue"].(string), `"proxied":false`) {
		t.Errorf("values %v", log[0])
	}
	if who := log[0]["actor"].(map[string]any); who["type"] != "local" || who["ip"] != "127.0.0.1" {
		t.Errorf("actor %v", who)
	}
	k.refused("GET", "/user/audit_logs?since=yesterday", "", 400, codeBadRequest, "")

	// A zone of the configuration file has no entry in the store, and its purges are kept.
	const ofFile = "/user/audit_logs?zone.name=file.example"
	if log := k.list(ofFile); len(log) != 0 {
		t.Errorf("log before the purge: %v", log)
	}
	k.do("POST", "/zones/"+zoneID("file.example")+"/purge_cache", `{"purge_everything":true}`)
	if log := k.list(ofFile); len(log) != 1 || log[0]["action"].(map[string]any)["type"] != "purge" {
		t.Errorf("log of a zone of the file: %v", log)
	}
	k.refused("GET", "/user/audit_logs?zone.name=nobody.example", "", 404, 7003, "")
}

// keyPairPEM makes a certificate for names.
func keyPairPEM(t *testing.T, end time.Time, names ...string) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: names, NotBefore: time.Now().Add(-time.Hour), NotAfter: end}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))
}

func TestCertificates(t *testing.T) {
	k := startKept(t)
	zone := k.zone("shop.example")
	upload := func(cert, key string) string {
		b, _ := json.Marshal(map[string]string{"certificate": cert, "private_key": key, "bundle_method": "force"})
		return string(b)
	}
	cert, key := keyPairPEM(t, time.Now().Add(time.Hour), "shop.example", "*.shop.example")
	_, otherKey := keyPairPEM(t, time.Now().Add(time.Hour), "shop.example")
	foreign, foreignKey := keyPairPEM(t, time.Now().Add(time.Hour), "elsewhere.example")
	old, oldKey := keyPairPEM(t, time.Now().Add(-time.Minute), "shop.example")
	certs := zone + "/custom_certificates"
	k.refused("POST", certs, upload("nonsense", key), 400, 1400, "/certificate")
	k.refused("POST", certs, upload(cert, "nonsense"), 400, 1401, "/private_key")
	k.refused("POST", certs, upload(cert, otherKey), 400, 1402, "/private_key")
	k.refused("POST", certs, upload(old, oldKey), 400, 1403, "/certificate")
	k.refused("POST", certs, upload(foreign, foreignKey), 400, 1404, "/certificate")
	made := k.send("POST", certs, upload(cert, key))
	if made.status != 200 || strings.Contains(string(made.raw), "PRIVATE KEY") {
		t.Fatalf("uploaded: %d %s", made.status, made.raw)
	}
	if z := k.edge.Config().Zones[1]; z.Certificate == nil || z.Certificate.Leaf.DNSNames[0] != "shop.example" {
		t.Errorf("the edge does not have the certificate")
	}
	k.do("POST", zone+"/origin_tls_client_auth", upload(foreign, foreignKey))
	if k.edge.Config().Zones[1].ClientCert != nil {
		t.Error("origin pulls are authenticated before they are turned on")
	}
	k.do("PUT", zone+"/origin_tls_client_auth/settings", `{"enabled":true}`)
	if k.edge.Config().Zones[1].ClientCert == nil {
		t.Error("origin pulls are not authenticated")
	}
	if r := k.send("GET", "/user/audit_logs", ""); strings.Contains(string(r.raw), "PRIVATE KEY") {
		t.Error("a private key stands in the audit log")
	}
	id := k.list(certs)[0]["id"].(string)
	k.do("DELETE", certs+"/"+id, "")
	if k.edge.Config().Zones[1].Certificate != nil {
		t.Error("a deleted certificate is in use")
	}
}

// What is sent to the API as it was never meant.
func TestHostileBodies(t *testing.T) {
	k := startKept(t)
	zone := k.zone("shop.example")
	k.refused("POST", zone+"/dns_records", `{"comment":"`+strings.Repeat("a", maxBody)+`"}`, 413, codeLarge, "")
	k.refused("POST", zone+"/dns_records", strings.Repeat(`[`, 100_000), 400, codeBody, "")
	k.refused("POST", zone+"/purge_cache", `{"purge_everything":true,"files":["x"]}`, 400, codeField, "")
	k.do("POST", zone+"/purge_cache", `{"purge_everything":true}`)
	k.do("POST", zone+"/purge_cache", `{"files":["http://shop.example/x",{"url":"http://shop.example/y"}]}`)
	k.refused("POST", zone+"/purge_cache", `{"files":["http://shop.example/x",7]}`, 400, codeField, "/files/1")
	if log := k.list("/user/audit_logs?per_page=1"); log[0]["action"].(map[string]any)["type"] != "purge" {
		t.Errorf("a purge is not in the audit log: %v", log)
	}
	// A web page cannot change anything where no token is needed.
	k.refused("POST", "/zones", `{"name":"evil.example"}`, 403, codeAuth, "", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")
}

func TestThrottle(t *testing.T) {
	now := time.Now()
	th := newThrottle(func() time.Time { return now })
	who := identity{verify: "t"}
	for i := range throttleRequests {
		if _, ok := th.take(who); !ok {
			t.Fatalf("call %d is refused", i)
		}
	}
	if wait, ok := th.take(who); ok || wait != throttlePeriod {
		t.Errorf("one more: %v %v", wait, ok)
	}
	if _, ok := th.take(identity{verify: "other"}); !ok {
		t.Error("another caller is refused")
	}
	now = now.Add(throttlePeriod)
	if _, ok := th.take(who); !ok {
		t.Error("refused after the period")
	}
}

func TestOpenAPI(t *testing.T) {
	k := startKept(t)
	r := k.send("GET", "/originward/openapi.json", "")
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]any
	}
	if err := json.Unmarshal(r.raw, &doc); err != nil || doc.OpenAPI != "3.1.0" {
		t.Fatalf("%v %s", err, r.raw)
	}
	n := 0
	for _, p := range doc.Paths {
		n += len(p)
	}
	if want := len((&API{}).routes()); n != want {
		t.Errorf("%d calls are described, %d served", n, want)
	}
}

// A store that ends answers an error, and the edge goes on.
func TestStoreLost(t *testing.T) {
	k := startKept(t)
	zone := k.zone("shop.example")
	k.do("POST", zone+"/dns_records", `{"type":"A","name":"@","content":"127.0.0.77","proxied":true}`)
	k.store.Close()
	k.refused("POST", zone+"/dns_records", `{"type":"A","name":"x","content":"192.0.2.1"}`, 500, codeStore, "")
	if code := k.visit("shop.example", "/").StatusCode; code != 521 {
		t.Errorf("without the store: %d", code)
	}
	if !strings.Contains(k.log.String(), "database is closed") {
		t.Errorf("the log says nothing of it: %s", k.log)
	}
}
