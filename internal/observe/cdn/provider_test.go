package cdn

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// fake is a provider's API with one site: www.shop.example, whose origin is
// 203.0.113.10, spoken to over TLS with the certificate checked.
type fake struct {
	cdn    string
	handle http.Handler
	refuse func(path string, status int) // answers a path with a status
}

// fakes are the providers that the suite runs over.
var fakes = map[string]func() fake{
	"cloudflare": func() fake { return fakeV4("cloudflare") },
	ownEdge:      func() fake { return fakeV4(ownEdge) },
	fastly:       fakeFastly,
}

func fakeV4(id string) fake {
	a := whole()
	a["zones/z1/settings/ssl"] = m{"id": "ssl", "value": "strict"}
	a["zones/z1/dns_records"] = []m{{"id": "r1", "type": "A", "name": "www.shop.example", "content": "203.0.113.10", "proxied": true, "ttl": 1}}
	return fake{cdn: id, handle: a, refuse: func(path string, status int) { a[path] = status }}
}

// fakeFastly answers as fastly.com/documentation/reference/api describes: the shapes
// are those of its client library's recorded answers (2025-05-07 and earlier).
func fakeFastly() fake {
	answers := map[string]string{
		"tokens/self": `{"id":"T","user_id":"U","customer_id":"C","name":"doctor","last_used_at":"2026-11-20T11:36:43Z","created_at":"2026-01-14T11:25:39Z","expires_at":null,"scopes":["global:read"],"scope":"global:read","services":[]}`,
		"service": `[{"customer_id":"C","comment":"","versions":[{"active":true,"number":1,"locked":true,"service_id":"OTHER"}],"id":"OTHER","version":1,"name":"other"},
			{"customer_id":"C","versions":[{"active":false,"number":17,"service_id":"SVC"},{"active":true,"number":18,"locked":true,"service_id":"SVC"},{"active":false,"number":19,"service_id":"SVC"}],"id":"SVC","version":18,"name":"shop"},
			{"customer_id":"C","versions":[{"active":false,"number":1,"service_id":"IDLE"}],"id":"IDLE","version":1,"name":"idle"}]`,
		"service/OTHER/version/1/domain":  `[{"name":"*.shop.example","version":1,"service_id":"OTHER","comment":"","deleted_at":null}]`,
		"service/SVC/version/18/domain":   `[{"name":"www.shop.example","version":18,"service_id":"SVC","comment":"","deleted_at":null}]`,
		"service/SVC/version/18/backend":  `[` + fastlyOrigin("203.0.113.10", "") + `]`,
		"service/OTHER/version/1/backend": `[` + fastlyOrigin("203.0.113.99", "") + `]`,
		"public-ip-list":                  `{"addresses":["23.235.32.0/20"],"ipv6_addresses":["2a04:4e40::/32"]}`,
		"events": `{"data":[{"id":"E2","type":"event","attributes":{"customer_id":"C","description":"Version 18 was activated","event_type":"version.activate","service_id":"SVC","created_at":"2026-11-22T07:50:00Z","admin":false}},
			{"id":"E1","type":"event","attributes":{"description":"Version 1 was created","event_type":"version.create","service_id":"SVC","created_at":"2019-05-11T17:53:06Z"}}],"links":{}}`,
	}
	var mu sync.Mutex
	refused := map[string]int{}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.Trim(r.URL.Path, "/")
		mu.Lock()
		status, text := refused[path], answers[path]
		mu.Unlock()
		switch {
		case path != "public-ip-list" && r.Header.Get("Fastly-Key") != "secret-token":
			status = http.StatusUnauthorized
		case status == 0 && text == "":
			status = http.StatusNotFound
		}
		if status != 0 {
			w.WriteHeader(status)
			fmt.Fprint(w, `{"msg":"You are not authorized to perform this action"}`)
			return
		}
		fmt.Fprint(w, text)
	})
	return fake{cdn: fastly, handle: h, refuse: func(path string, status int) {
		mu.Lock()
		defer mu.Unlock()
		refused[path] = status
	}}
}

// fastlyOrigin is a backend as the API shows it; more overrides fields.
func fastlyOrigin(address, more string) string {
	all := map[string]any{}
	for _, text := range []string{`{"weight":100,"address":"` + address + `","ssl_client_cert":null,"request_condition":"","ssl_hostname":null,"override_host":"www.shop.example","share_key":null,
		"updated_at":"2026-05-07T15:03:13Z","use_ssl":true,"ipv4":"` + address + `","ipv6":null,"client_cert":null,"port":443,"first_byte_timeout":15000,"version":18,"connect_timeout":1500,
		"hostname":null,"auto_loadbalance":false,"error_threshold":0,"ssl_cert_hostname":"www.shop.example","ssl_ca_cert":null,"comment":"","ssl_sni_hostname":"www.shop.example","max_conn":200,
		"healthcheck":null,"name":"origin ` + address + `","service_id":"SVC","ssl_check_cert":true,"between_bytes_timeout":10000,"shield":null}`, "{" + more + "}"} {
		if err := json.Unmarshal([]byte(text), &all); err != nil {
			panic(err)
		}
	}
	b, _ := json.Marshal(all)
	return string(b)
}

// look runs a provider's look against its fake, and notes each call.
func look(t *testing.T, f fake, token, host string) (b *originward.Bundle, missing []originward.NotObserved, calls []string) {
	t.Helper()
	var mu sync.Mutex
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		calls = append(calls, r.Method+" "+r.URL.Path)
		mu.Unlock()
		f.handle.ServeHTTP(w, r)
	}))
	defer srv.Close()
	seen, missing, err := Observe(t.Context(), Ask{CDN: f.cdn, Base: srv.URL, Token: token, Host: host, HTTPS: true, Now: func() time.Time { return time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC) }})
	if err != nil {
		t.Fatal(err)
	}
	return &originward.Bundle{Evidence: seen}, missing, calls
}

// Conformance: what every provider has to do, whoever's API it is.
func TestProviders(t *testing.T) {
	if len(fakes) != len(providers()) {
		t.Errorf("%d fakes for %d providers", len(fakes), len(providers()))
	}
	for _, id := range CDNs() {
		make := fakes[id]
		t.Run(id+"/reads the site", func(t *testing.T) { conformReads(t, make()) })
		t.Run(id+"/only reads", func(t *testing.T) { conformOnlyReads(t, make()) })
		t.Run(id+"/a wrong token", func(t *testing.T) {
			b, missing, _ := look(t, make(), "wrong", "www.shop.example")
			if len(b.Evidence) != 0 || len(missing) != 1 || !strings.Contains(missing[0].Why, "token") || missing[0].How == "" {
				t.Errorf("%d items, %+v", len(b.Evidence), missing)
			}
		})
		t.Run(id+"/nobody's host", func(t *testing.T) {
			b, missing, _ := look(t, make(), "secret-token", "www.stranger.example")
			if len(b.Evidence) != 0 || len(missing) != 1 || !strings.Contains(missing[0].Why, "www.stranger.example") {
				t.Errorf("%d items, %+v", len(b.Evidence), missing)
			}
		})
		t.Run(id+"/a refused part", func(t *testing.T) { conformRefused(t, make) })
		t.Run(id+"/hostile answers", func(t *testing.T) { conformHostile(t, id) })
		t.Run(id+"/nobody answers", func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			seen, missing, err := Observe(ctx, Ask{CDN: id, Base: "http://127.0.0.1:1", Token: "secret-token", Host: "www.shop.example"})
			if err != nil || len(seen) != 0 || len(missing) == 0 {
				t.Errorf("%v %v %v", seen, missing, err)
			}
		})
	}
}

func conformReads(t *testing.T, f fake) {
	b, missing, _ := look(t, f, "secret-token", "www.shop.example")
	if len(missing) != 0 {
		t.Errorf("missing %+v", missing)
	}
	if z := one[fact.CDNZone](t, b); z.Provider != f.cdn || z.Status != "active" || !strings.HasSuffix("www.shop.example", z.Name) || z.Paused != fact.No {
		t.Errorf("%+v", z)
	}
	r := one[fact.CDNRecords](t, b).Records
	if len(r) != 1 || r[0].Content != "203.0.113.10" || r[0].Type != "A" || r[0].Proxied != fact.Yes {
		t.Errorf("%+v", r)
	}
	if s := one[fact.CDNSettings](t, b); s.SSL != originward.SSLStrict || s.Source != "api" || len(s.Ranges) != 2 {
		t.Errorf("%+v", s)
	}
	changed := false
	for _, e := range fact.All[fact.CDNEvents](b, originward.CDN) {
		for _, x := range e.Fact.Events {
			changed = changed || x.Kind == "audit" && x.At.Equal(time.Date(2026, 11, 22, 7, 50, 0, 0, time.UTC))
			if x.At.Year() < 2026 {
				t.Errorf("an event of long ago: %+v", x)
			}
		}
	}
	if !changed {
		t.Error("nobody tells what was changed")
	}
	for _, e := range b.Evidence {
		if e.Vantage != originward.CDN || e.Text == "" || e.Reproduce == "" || e.At.IsZero() || strings.Contains(e.Text+e.Reproduce, "secret-token") {
			t.Errorf("%+v", e)
		}
	}
}

func conformOnlyReads(t *testing.T, f fake) {
	_, _, calls := look(t, f, "secret-token", "www.shop.example")
	for _, c := range calls {
		if method, path, _ := strings.Cut(c, " "); method != http.MethodGet && !strings.HasSuffix(path, "/graphql") {
			t.Error(c)
		}
	}
}

// Each call refused on its own: something is said to be missing, with the permission,
// and nothing panics.
func conformRefused(t *testing.T, make func() fake) {
	_, _, calls := look(t, make(), "secret-token", "www.shop.example")
	slices.Sort(calls)
	for _, c := range slices.Compact(calls) {
		_, path, _ := strings.Cut(c, " ")
		path = strings.TrimPrefix(strings.Trim(path, "/"), "client/v4/")
		if path == "ips" || path == "public-ip-list" || path == "user/tokens/verify" {
			continue // public, or no permission of its own
		}
		f := make()
		f.refuse(path, http.StatusForbidden)
		b, missing, _ := look(t, f, "secret-token", "www.shop.example")
		told := slices.ContainsFunc(missing, func(n originward.NotObserved) bool {
			return strings.Contains(n.How, "permission") || strings.Contains(n.How, "scope")
		})
		for _, s := range fact.All[fact.CDNSettings](b, originward.CDN) {
			told = told || len(s.Fact.Unread) > 0
		}
		if !told {
			t.Errorf("%s refused: %+v", path, missing)
		}
	}
}

// What an API says is bounded and escaped, whatever it is.
func conformHostile(t *testing.T, id string) {
	for _, body := range []string{
		"", "null", "[]", "{}", `{"success":true,"result":null}`, `{"success":true,"result":[{"id":"` + strings.Repeat("x", 5000) + `\u001b[31m","name":"shop.example","status":"\u0007"}]}`,
		`[{"id":"\u001b[2J","name":"www.shop.example","versions":[{"active":true,"number":-1}]}]`, strings.Repeat("[", 10000), strings.Repeat("x", 2<<20),
	} {
		f := fake{cdn: id, handle: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, body)
		})}
		b, missing, _ := look(t, f, "secret-token", "www.shop.example")
		raw, err := json.Marshal(b.Evidence)
		if err != nil || len(raw) > 100_000 || strings.ContainsAny(string(raw), "\x1b\x07") {
			t.Errorf("%.60q: %v, %d bytes", body, err, len(raw))
		}
		if len(b.Evidence) == 0 && len(missing) == 0 {
			t.Errorf("%.60q: nothing is said", body)
		}
	}
}

// Which of several backends serves, conditions and health checks decide: nothing is
// claimed of the single one.
func TestFastlyBackends(t *testing.T) {
	for _, c := range []struct {
		backends string
		proxied  fact.Tri
		mode     originward.SSLMode
	}{
		{fastlyOrigin("203.0.113.10", `"use_ssl":false,"port":80`), fact.Yes, originward.SSLFlexible},
		{fastlyOrigin("203.0.113.10", `"ssl_check_cert":false`), fact.Yes, originward.SSLFull},
		{fastlyOrigin("203.0.113.10", `"request_condition":"only images"`), fact.Unknown, originward.SSLStrict},
		{fastlyOrigin("203.0.113.10", "") + "," + fastlyOrigin("203.0.113.20", ""), fact.Unknown, originward.SSLStrict},
		{fastlyOrigin("203.0.113.10", "") + "," + fastlyOrigin("203.0.113.20", `"use_ssl":false`), fact.Unknown, ""},
	} {
		f := fakeFastly()
		h := f.handle
		f.handle = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/SVC/version/18/backend") {
				fmt.Fprint(w, "["+c.backends+"]")
				return
			}
			h.ServeHTTP(w, r)
		})
		b, _, _ := look(t, f, "secret-token", "www.shop.example")
		if r := one[fact.CDNRecords](t, b).Records; r[0].Proxied != c.proxied {
			t.Errorf("%s: %+v", c.backends, r)
		}
		if s := one[fact.CDNSettings](t, b); s.SSL != c.mode {
			t.Errorf("%s: %+v", c.backends, s)
		}
	}
}

// A token whose scope cannot read says so before anything else is asked.
func TestFastlyScope(t *testing.T) {
	for want, token := range map[string]string{
		`"purge_select"`:      `{"scope":"purge_select","expires_at":null}`,
		"ended on 2026-11-01": `{"scope":"global","expires_at":"2026-11-01T00:00:00Z"}`,
	} {
		f := fakeFastly()
		h := f.handle
		f.handle = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/tokens/self") {
				fmt.Fprint(w, token)
				return
			}
			h.ServeHTTP(w, r)
		})
		b, missing, calls := look(t, f, "secret-token", "www.shop.example")
		if len(b.Evidence) != 0 || len(missing) != 1 || !strings.Contains(missing[0].Why, want) || len(calls) != 1 {
			t.Errorf("%s: %d items, %+v, %v", want, len(b.Evidence), missing, calls)
		}
	}
}
