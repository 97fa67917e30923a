package zonesync

import (
	"bytes"
	"context"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/originward/originward/internal/edge"
	"github.com/originward/originward/internal/edgeapi"
	"github.com/originward/originward/internal/store"
	"log/slog"
)

// api is a control API with a store.
func api(t *testing.T) *Client {
	t.Helper()
	cfg, err := edge.Loader().Parse("edge.yaml", []byte("listen: {http: ['127.0.0.1:0']}\nzones: [{name: file.example}]"))
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
	return &Client{Base: srv.URL + "/client/v4"}
}

const wanted = `
lists:
  - name: office
    kind: ip
    description: where we sit
    items: [{ip: 192.0.2.0/24, comment: first floor}, {ip: 198.51.100.7}]
zones:
  - name: shop.example
    settings: {ssl: strict, proxy_read_timeout: 200}
    records:
      - {name: "@", type: A, content: 203.0.113.1, proxied: true}
      - {name: www, type: CNAME, content: shop.example, proxied: true, comment: the shop}
      - {name: "@", type: MX, content: mail, priority: 10, ttl: 600}
      - {name: _sip._tcp, type: SRV, content: 1 5060 sip.shop.example, priority: 5}
      - {name: "@", type: TXT, content: v=spf1 -all, tags: ["a:b"]}
    rulesets:
      http_request_firewall_custom:
        - {expression: 'http.request.uri.path eq "/admin" and not ip.src in $office', action: block, description: no admin}
    ip_access:
      - {mode: block, configuration: {target: ip, value: 203.0.113.66}, notes: a stranger}
    user_agents:
      - {mode: block, configuration: {target: ua, value: BadBot/1.0}}
  - name: other.example
    records: []
`

func parse(t *testing.T, text string) *Document {
	t.Helper()
	d, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func apply(t *testing.T, c *Client, text string, prune bool) []Step {
	t.Helper()
	have, err := c.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	steps := Compare(have, parse(t, text), prune)
	told := 0
	if err := c.Apply(t.Context(), have, steps, func(_ string, n int) { told += n }); err != nil {
		t.Fatal(err)
	}
	if told != len(steps) {
		t.Errorf("told of %d steps of %d", told, len(steps))
	}
	return steps
}

func TestRoundTrip(t *testing.T) {
	c := api(t)
	text := strings.Replace(wanted, "content: mail,", "content: mail.shop.example,", 1)
	if steps := apply(t, c, text, false); len(steps) != 13 {
		t.Errorf("%d steps: %+v", len(steps), steps)
	}
	// It is as wanted, and stays so.
	if steps := apply(t, c, text, false); len(steps) != 0 {
		t.Errorf("again: %+v", steps)
	}
	have, err := c.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out, err := have.Dump()
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(out, []byte("file.example")) {
		t.Error("a zone of the configuration file is exported")
	}
	// What is exported brings another edge to the same.
	other := api(t)
	apply(t, other, string(out), false)
	again, err := other.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if b, err := again.Dump(); err != nil || !bytes.Equal(b, out) {
		t.Errorf("exported\n%s\nfrom the other\n%s", out, b)
	}
	if one, err := c.Read(t.Context(), "Other.example."); err != nil || len(one.Zones) != 1 {
		t.Errorf("one zone: %+v %v", one, err)
	}
}

func TestSteps(t *testing.T) {
	c := api(t)
	apply(t, c, strings.Replace(wanted, "content: mail,", "content: mail.shop.example,", 1), false)
	have, err := c.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := parse(t, `
zones:
  - name: shop.example
    paused: true
    settings: {ssl: full}
    records:
      - {name: "@", type: A, content: 203.0.113.1}
      - {name: new, type: A, content: 203.0.113.2, ttl: 60}
    rulesets: {}
    ip_access: []
    user_agents:
      - {mode: challenge, configuration: {target: ua, value: BadBot/1.0}}
lists:
  - {name: office, kind: ip, items: [{ip: 192.0.2.0/24}]}
  - {name: others, kind: asn, items: [{asn: 64496}]}
`)
	var got []string
	for _, s := range Compare(have, want, true) {
		got = append(got, s.Text)
	}
	for _, line := range []string{
		"~ paused false -> true", `~ setting ssl "strict" -> "full"`,
		"- www.shop.example CNAME shop.example (proxied, comment \"the shop\")", "- shop.example MX 10 mail.shop.example (ttl 600)",
		"~ shop.example A 203.0.113.1  <-  shop.example A 203.0.113.1 (proxied)", "+ new.shop.example A 203.0.113.2 (ttl 60)", "- zone other.example with 0 records",
		"~ list office, 2 -> 1 items", "+ list others with 1 items",
		`- ip_access {"configuration":{"target":"ip","value":"203.0.113.66"},"mode":"block","notes":"a stranger"}`,
		`- user_agents {"configuration":{"target":"ua","value":"BadBot/1.0"},"mode":"block"}`, `+ user_agents {"configuration":{"target":"ua","value":"BadBot/1.0"},"mode":"challenge"}`,
	} {
		if !slices.Contains(got, line) {
			t.Errorf("no step %q in %q", line, got)
		}
	}
	if !slices.ContainsFunc(got, func(s string) bool {
		return strings.HasPrefix(s, "~ rules of http_request_firewall_custom, 1 -> 0\n    - {")
	}) {
		t.Errorf("no step for the rules in %q", got)
	}
	// Carried out, it is so.
	steps := Compare(have, want, true)
	if err := c.Apply(t.Context(), have, steps, func(string, int) {}); err != nil {
		t.Fatal(err)
	}
	if have, err = c.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again := Compare(have, want, true); len(again) != 0 {
		t.Errorf("afterwards: %+v", again)
	}
	if steps := Compare(have, parse(t, "zones: []"), false); len(steps) != 0 {
		t.Errorf("without prune: %+v", steps)
	}
}

// A record that is refused keeps all of its zone's from changing.
func TestApplyFails(t *testing.T) {
	c := api(t)
	have, err := c.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	steps := Compare(have, parse(t, `zones: [{name: shop.example, records: [{name: a, type: A, content: 203.0.113.1}, {name: b, type: A, content: nonsense}]}]`), false)
	err = c.Apply(t.Context(), have, steps, func(string, int) {})
	if err == nil || !strings.Contains(err.Error(), "zone shop.example: ") || !strings.Contains(err.Error(), "/posts/1/content") {
		t.Errorf("error %v", err)
	}
	if have, err = c.Read(t.Context()); err != nil || len(have.Zones) != 1 || len(have.Zones[0].Records) != 0 {
		t.Errorf("afterwards %+v, %v", have, err)
	}
}

func TestBadDocuments(t *testing.T) {
	for text, want := range map[string]string{
		"zones: [{name: a.example, recrods: []}]":                   "recrods",
		"zones: [{records: []}]":                                    "zones[0]: name is missing",
		"zones: [{name: a.example}, {name: A.example.}]":            "twice",
		"zones: [{name: a.example, records: [{name: x, type: A}]}]": "records[0]: needs name, type and content",
		"zones: 7": "",
		"{":        "",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(wanted))
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := Parse(raw)
		if err != nil {
			return
		}
		for range 2 { // comparing with itself finds nothing
			if steps := Compare(d, d, true); len(steps) != 0 && len(d.Zones) > 0 && d.distinct() {
				t.Fatalf("%q differs from itself: %+v", raw, steps)
			}
		}
	})
}

func (d *Document) distinct() bool {
	for _, z := range d.Zones {
		seen := map[string]bool{}
		for _, r := range z.Records {
			if seen[r.key()] {
				return false
			}
			seen[r.key()] = true
		}
	}
	return true
}
