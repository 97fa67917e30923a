package edge

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/originward/originward/internal/edge/events"
	"github.com/originward/originward/internal/edge/waf"
)

// inspected is an edge that runs the Core Rule Set before an origin that tells what it
// received.
func inspected(t *testing.T, rules string) (*world, *atomic.Int64) {
	t.Helper()
	asked := &atomic.Int64{}
	h := func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		sum := sha256.New()
		n, err := io.Copy(sum, r.Body)
		if err != nil {
			w.WriteHeader(http.StatusTeapot)
		}
		fmt.Fprintf(w, "%d %x", n, sum.Sum(nil))
	}
	e, o, _ := hosts()
	ap, _ := origin(t, o, 0, h)
	sp := tlsOrigin(t, o, "shop.example", h)
	zone := strings.TrimSuffix(siteZone("full", o), "}") + ", rules: {" + rules + "}}"
	return start(t, fmt.Sprintf("listen: {http: ['%s:%d'], https: ['%s:%d']}\nzones: [%s]", e, ap.Port(), e, sp.Port(), zone)), asked
}

const owaspRule = `managed: [{expression: 'not http.request.uri.path eq "/open"', action_parameters: {id: owasp}}]`

func (w *world) post(url string, h2, sized bool, body []byte, header ...string) reply {
	w.t.Helper()
	req, err := http.NewRequest("POST", url, bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if !sized {
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), -1
	}
	req.Header.Set("User-Agent", "Mozilla/5.0")
	req.Header.Set("Accept", "*/*")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return w.do(w.client(h2), req)
}

// A body that is looked at reaches the origin as it came, however it is framed and
// however long it is.
func TestInspectedBodies(t *testing.T) {
	w, _ := inspected(t, owaspRule)
	for _, size := range []int{1, 2 << 10, 17 << 10, waf.BodyLimit - 1, waf.BodyLimit, waf.BodyLimit + 1, 3 << 20} {
		body := bytes.Repeat([]byte("0123456789abcde+"), size/16+1)[:size]
		want := fmt.Sprintf("%d %x", size, sha256.Sum256(body))
		for _, url := range []string{"http://shop.example/a", "https://shop.example/a"} {
			for _, sized := range []bool{true, false} {
				r := w.post(url, url[4] == 's', sized, body, "Content-Type", "application/x-www-form-urlencoded", "Expect", "100-continue")
				if r.StatusCode != 200 || r.body != want {
					t.Errorf("%s, %d bytes, sized %v, %s: %d %.80s, want %s", url, size, sized, r.Proto, r.StatusCode, r.body, want)
				}
			}
		}
	}
}

func TestManagedRules(t *testing.T) {
	w, asked := inspected(t, owaspRule)
	attack := []byte("user=1%27%20OR%201%3D1--%20-")
	const kind = "application/x-www-form-urlencoded"
	for i, url := range []string{"http://shop.example/login", "https://shop.example/login"} {
		r := w.post(url, i == 1, true, attack, "Content-Type", kind)
		if r.StatusCode != 403 {
			t.Errorf("%s: %d, want 403", url, r.StatusCode)
		}
		if !strings.Contains(r.Header.Get("Proxy-Status"), "http_request_denied") {
			t.Errorf("Proxy-Status %q", r.Header.Get("Proxy-Status"))
		}
	}
	if asked.Load() != 0 {
		t.Errorf("the origin was asked %d times for what is blocked", asked.Load())
	}
	w.last(2)
	all := w.edge.Events(events.Filter{Limit: 10})
	if len(all) != 2 || all[0].Source != "firewallManaged" || all[0].RuleID != "949110" || all[0].Action != "block" ||
		!strings.Contains(all[0].Description, "942100 SQL Injection Attack Detected") || !strings.HasPrefix(all[0].Expression, "not http.request") {
		t.Errorf("%d events: %+v", len(all), all)
	}
	if r := w.post("http://shop.example/open", false, true, attack, "Content-Type", kind); r.StatusCode != 200 {
		t.Errorf("a path that is left out: %d", r.StatusCode)
	}
	if r := w.get("http://shop.example/?file=../../etc/passwd", "User-Agent", "Mozilla/5.0", "Accept", "*/*"); r.StatusCode != 403 {
		t.Errorf("an attack in the query: %d", r.StatusCode)
	}
}

func TestManagedVerdicts(t *testing.T) {
	attack := []byte("user=1%27%20OR%201%3D1--%20-")
	for rules, want := range map[string]int{
		`managed: [{expression: 'true', action_parameters: {id: owasp, overrides: {rules: [{id: "949110", score_threshold: 60}]}}}]`:                                                                  200,
		`managed: [{expression: 'true', action_parameters: {id: owasp, overrides: {action: log}}}]`:                                                                                                   200,
		`managed: [{expression: 'true', action_parameters: {id: 4814384a9e5d4991b9815dcfc25d2f1f, overrides: {rules: [{id: 6179ae15870a4bb7b2d480d4843b323c, score_threshold: 5, action: block}]}}}]`: 403,
		`managed: [{expression: 'true', enabled: false, action_parameters: {id: owasp}}]`:                                                                                                             200,
		`custom: [{expression: 'true', action: skip, action_parameters: {phases: [http_request_firewall_managed]}}], managed: [{expression: 'true', action_parameters: {id: owasp}}]`:                 200,
		`ip_access: [{mode: whitelist, configuration: {target: ip_range, value: 127.0.0.0/8}}], managed: [{expression: 'true', action_parameters: {id: owasp}}]`:                                      200,
		`managed: [{expression: 'true', action_parameters: {id: owasp, overrides: {action: managed_challenge, categories: [{category: paranoia-level-2, enabled: true}]}}}]`:                          403,
	} {
		w, _ := inspected(t, rules)
		r := w.post("http://shop.example/login", false, true, attack, "Content-Type", "application/x-www-form-urlencoded")
		if r.StatusCode != want {
			t.Errorf("%s: %d, want %d", rules, r.StatusCode, want)
		}
		w.last(1)
		all := w.edge.Events(events.Filter{Limit: 10})
		if strings.Contains(rules, "action: log") && (len(all) != 1 || all[0].Action != "log" || all[0].Status != 0) {
			t.Errorf("%s: events %+v", rules, all)
		}
	}
}
