package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/originward/originward"
)

// files writes what the documented example names and returns the folder.
func files(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "shop.example"}, DNSNames: []string{"shop.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "shop.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	write(t, dir, "shop.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	write(t, dir, "token", []byte("0123456789abcdef0123\n"))
	write(t, dir, "short", []byte("secret\n"))
	write(t, dir, "empty.pem", []byte("nothing\n"))
	return dir
}

func write(t testing.TB, dir, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

const documented = `
listen: {http: ["198.51.100.10:80"], https: ["198.51.100.10:443"], dns: ["198.51.100.53:53"], api: "127.0.0.1:8520", dashboard: "127.0.0.1:8521"}
colo: LAB                       # three letters after the ray
egress: ["173.245.48.10"]       # source addresses towards origins
data: state
timers: {connect: 19s, ack: 90s, read: 125s, write: 30s, idle: 900s}
trust: {roots: [shop.pem], origin_ca: []}
api_tokens: [{name: ops, file: token}]
zones:
  - name: shop.example
    ssl: strict
    certificate: {cert: shop.pem, key: shop.key}
    records: [{type: A, name: shop.example, content: 203.0.113.10, proxied: true}]
    rules: {custom: [{expression: 'ip.src in {192.0.2.0/24}', action: block}], rate_limits: []}
`

func TestDNS(t *testing.T) {
	c, err := Loader{}.Parse("edge.yaml", []byte("listen: {dns: ['198.51.100.53:53']}\ndns: {name_servers: [NS1.edge.example.], addresses: [198.51.100.10], rate_limit: 0, transfer: [192.0.2.53, 198.51.100.7/24]}"))
	if err != nil {
		t.Fatal(err)
	}
	if d := c.DNS; d.NameServers[0] != "ns1.edge.example" || d.Addresses[0].String() != "198.51.100.10" || d.RateLimit != 0 ||
		d.Transfer[0].String() != "192.0.2.53/32" || d.Transfer[1].String() != "198.51.100.0/24" {
		t.Errorf("%+v", d)
	}
	if c, err = (Loader{}).Parse("edge.yaml", []byte("listen: {}")); err != nil || c.DNS.RateLimit != defaultRateLimit {
		t.Errorf("%+v, %v", c, err)
	}
	for text, want := range map[string]string{
		"listen: {dns_tls: ['198.51.100.53:853']}":                    "needs a certificate",
		"listen: {}\ndns: {transfer: [everybody]}":                    "edge.yaml:2: dns.transfer[0]",
		"listen: {}\ndns: {rate_limit: -1}":                           "dns.rate_limit",
		"listen: {}\ndns: {name_servers: ['a b']}":                    "not a DNS name",
		"listen: {dns: ['127.0.0.1:53'], dns_tls: ['127.0.0.1:853']}": "needs a certificate",
	} {
		if _, err := (Loader{}).Parse("edge.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestStoreDSN(t *testing.T) {
	c, err := Loader{}.Parse("edge.yaml", []byte("listen: {}\nstore: postgres://edge@db/edge"))
	if err != nil || c.Store != "postgres://edge@db/edge" {
		t.Errorf("%v, %v", c, err)
	}
	_, err = Loader{}.Parse("edge.yaml", []byte("listen: {}\nstore: mysql://edge:secret@db/edge"))
	if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "edge.yaml:2: store:") {
		t.Errorf("another database: %v", err)
	}
}

func TestDocumentedExample(t *testing.T) {
	dir := files(t)
	path := filepath.Join(dir, "edge.yaml")
	write(t, dir, "edge.yaml", []byte(documented))
	c, err := Loader{}.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Listen{HTTP: []string{"198.51.100.10:80"}, HTTPS: []string{"198.51.100.10:443"}, DNS: []string{"198.51.100.53:53"}, API: "127.0.0.1:8520", Dashboard: "127.0.0.1:8521"}); !reflect.DeepEqual(c.Listen, want) {
		t.Errorf("listen %+v", c.Listen)
	}
	if c.Timers != DefaultTimers() {
		t.Errorf("timers %+v, want the documented ones", c.Timers)
	}
	if c.Data != filepath.Join(dir, "state") || c.Colo != "LAB" || len(c.Trust.Roots) != 1 || len(c.Tokens) != 1 || c.Tokens[0].Name != "ops" {
		t.Errorf("config %+v", c)
	}
	if !reflect.DeepEqual(c.Egress, []netip.Addr{netip.MustParseAddr("173.245.48.10")}) {
		t.Errorf("egress %v", c.Egress)
	}
	if len(c.Files) != 5 || c.Files[0] != path {
		t.Errorf("files %v, want the configuration and four others", c.Files)
	}
	z := c.Zones[0]
	if z.SSL != originward.SSLStrict || z.Certificate == nil || len(z.Records) != 1 || !z.Records[0].Proxied || len(z.Rules.Custom) != 1 || !z.Rules.Custom[0].Enabled {
		t.Errorf("zone %+v", z)
	}
}

// The same as JSON, with what YAML would have read otherwise: "off" is a mode, not false.
func TestJSON(t *testing.T) {
	dir := files(t)
	c, err := Loader{}.Parse(filepath.Join(dir, "edge.json"), []byte(`{
	"listen": {"http": ":80", "https": ["[2001:db8::1]:443", ":0", ":0"]},
	"resolver": "192.0.2.53",
	"zones": [{"name": "SHOP.example.", "ssl": "off", "always_use_https": "on", "min_tls_version": "1.3", "proxy_read_timeout": 300,
	  "records": [{"type": "CNAME", "name": "@", "content": "Origin.Host.example", "proxied": true},
	              {"type": "AAAA", "name": "*.shop.example", "content": "2001:db8::9", "ttl": 300}],
	  "rules": {"rate_limits": [{"expression": "true", "action": "block", "ratelimit": {"characteristics": ["ip.src", "cf.colo.id"], "requests_per_period": 5, "period": 10, "mitigation_timeout": 0}}],
	    "custom": [{"expression": "ssl", "action": "skip", "enabled": false, "action_parameters": {"phases": ["http_ratelimit"]}},
	               {"expression": "ssl", "action": "block", "action_parameters": {"response": {"status_code": 418, "content_type": "text/html", "content": "<p>no"}}}]}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	z := c.Zones[0]
	if z.Name != "shop.example" || z.SSL != originward.SSLOff || !z.AlwaysUseHTTPS || z.MinTLS != tls.VersionTLS13 || z.ReadTimeout != 300*time.Second {
		t.Errorf("zone %+v", z)
	}
	if z.Records[0] != (originward.Record{Type: "CNAME", Name: "shop.example", Content: "origin.host.example", Proxied: true}) {
		t.Errorf("record %+v", z.Records[0])
	}
	l := z.Rules.RateLimits[0]
	if l.Requests != 5 || l.Period != 10*time.Second || l.Mitigation != 0 {
		t.Errorf("rate limit %+v", l)
	}
	if r := z.Rules.Custom[0]; r.Enabled || !reflect.DeepEqual(r.SkipPhases, []string{"http_ratelimit"}) {
		t.Errorf("skip %+v", r)
	}
	if r := z.Rules.Custom[1].Response; r == nil || *r != (Response{418, "text/html", "<p>no"}) {
		t.Errorf("response %+v", r)
	}
	if c.Resolver[0] != netip.MustParseAddrPort("192.0.2.53:53") || len(c.Listen.HTTPS) != 3 {
		t.Errorf("config %+v", c)
	}
}

// placedError is an error of the rules language.
type placedError struct{ line, column int }

func (placedError) Error() string       { return "bad expression" }
func (e placedError) Place() (int, int) { return e.line, e.column }
func checkSecondLine(string, Use) error { return placedError{2, 1} }
func refuseExpressions(src string, _ Use) error {
	if strings.Contains(src, "bad") {
		return placedError{1, 5}
	}
	return nil
}

const head = "listen: {http: [':80']}\n"

// Every kind of mistake is refused at its line with what is allowed.
func TestProblems(t *testing.T) {
	zone := func(s string) string { return head + "zones:\n- name: shop.example\n  " + s + "\n" }
	record := func(s string) string { return zone("records: [" + s + "]") }
	limit := func(s string) string { return zone("rules: {rate_limits: [{" + s + "}]}") }
	for name, tc := range map[string]struct {
		in   string
		line int
		want []string
	}{
		"empty":              {"", 1, []string{"empty", "listen"}},
		"not YAML":           {"listen: [", 2, []string{"not valid YAML"}},
		"two documents":      {head + "---\na: b", 2, []string{"second document"}},
		"tab":                {"a: b\n\tc: d", 2, []string{"not valid YAML"}},
		"a list":             {"- a", 1, []string{"must be a mapping"}},
		"no listen":          {"colo: LAB", 1, []string{"listen is missing"}},
		"unknown key":        {head + "color: LAB", 2, []string{`"color"`, `did you mean "colo"?`, "zones"}},
		"unknown nested key": {zone("sll: full"), 4, []string{"zones[0]", `did you mean "ssl"?`}},
		"repeated key":       {head + "colo: LAB\ncolo: LAX", 3, []string{"line 2"}},
		"bad mode":           {zone("ssl: stirct"), 4, []string{"zones[0].ssl", `"stirct"`, "off, flexible, full, strict, origin_pull"}},
		"bad colo":           {head + "colo: lab", 2, []string{"three capital letters"}},
		"port alone":         {"listen: {http: ['80']}", 1, []string{"listen.http[0]", `"80"`, "ADDRESS:PORT"}},
		"big port":           {"listen: {http: [':99999']}", 1, []string{"65535"}},
		"host to listen on":  {"listen: {http: ['shop.example:80']}", 1, []string{"IPv4 or IPv6"}},
		"twice":              {"listen: {http: [':80'], https: [':80']}", 1, []string{"listen.http[0]", "already used"}},
		"open API":           {"listen: {http: [':80'], api: '0.0.0.0:8520'}", 1, []string{"needs a token", "127.0.0.1:8520"}},
		"egress":             {head + "egress: [eth0]", 2, []string{`"eth0"`, "not an address"}},
		"egress any":         {head + "egress: ['0.0.0.0']", 2, []string{"cannot be a source"}},
		"egress twice":       {head + "egress: ['192.0.2.1', '192.0.2.1']", 2, []string{"twice"}},
		"resolver":           {head + "resolver: dns.example", 2, []string{"DNS server"}},
		"bare duration":      {head + "timers: {connect: 19}", 2, []string{"timers.connect", "unit", "19s"}},
		"negative duration":  {head + "timers: {connect: -1s}", 2, []string{"out of range"}},
		"long read":          {head + "timers: {read: 3h}", 2, []string{"1h40m0s"}},
		"no duration":        {head + "timers: {connect: soon}", 2, []string{"19s"}},
		"missing file":       {head + "trust: {roots: [nowhere.pem]}", 2, []string{"nowhere.pem", "no such file"}},
		"no certificate":     {head + "trust: {roots: [empty.pem]}", 2, []string{"BEGIN CERTIFICATE"}},
		"half a pair":        {zone("certificate: {cert: shop.pem}"), 4, []string{"both files"}},
		"swapped pair":       {zone("certificate: {cert: shop.key, key: shop.pem}"), 4, []string{"cannot be used"}},
		"not a pair":         {zone("certificate: {cert: empty.pem, key: shop.key}"), 4, []string{"no PEM block"}},
		"short token":        {head + "api_tokens: [{name: a, file: short}]", 2, []string{"at least 16"}},
		"token without file": {head + "api_tokens: [{name: a}]", 2, []string{"name and a file"}},
		"token twice":        {head + "api_tokens: [{name: a, file: token}, {name: a, file: token}]", 2, []string{"twice"}},
		"zone without name":  {head + "zones: [{ssl: full}]", 2, []string{"no name"}},
		"zone twice":         {head + "zones:\n- name: shop.example\n- name: Shop.Example", 4, []string{"line 3"}},
		"zone address":       {head + "zones: [{name: 192.0.2.1}]", 2, []string{"not a name"}},
		"zone with a space":  {head + "zones: [{name: 'shop example'}]", 2, []string{"not a DNS name"}},
		"record type":        {record("{type: SPF, name: shop.example, content: x.example}"), 4, []string{`"SPF"`, "A, AAAA, CNAME, TXT, MX"}},
		"no priority":        {record("{type: MX, name: shop.example, content: x.example}"), 4, []string{"needs a priority", "priority: 10"}},
		"priority of A":      {record("{type: A, name: '@', content: 192.0.2.1, priority: 1}"), 4, []string{"has no priority"}},
		"proxied TXT":        {record("{type: TXT, name: '@', content: x, proxied: true}"), 4, []string{"cannot be proxied"}},
		"MX to an address":   {record("{type: MX, name: '@', content: 192.0.2.1, priority: 1}"), 4, []string{"MX"}},
		"CAA content":        {record("{type: CAA, name: '@', content: nonsense}"), 4, []string{"CAA"}},
		"TXT outside":        {record("{type: TXT, name: shop.exmaple, content: x}"), 4, []string{"shop.exmaple"}},
		"DNSSEC key":         {zone("dnssec: {key: empty.pem}"), 4, []string{"P-256", "openssl genpkey"}},
		"DNSSEC without key": {zone("dnssec: {}"), 4, []string{"needs a key"}},
		"record outside":     {record("{type: A, name: shop.exmaple, content: 192.0.2.1}"), 4, []string{"within the zone", "www.shop.example"}},
		"record content":     {record("{type: A, name: '@', content: host}"), 4, []string{"203.0.113.10"}},
		"A with IPv6":        {record("{type: A, name: '@', content: '2001:db8::1'}"), 4, []string{"type: AAAA"}},
		"AAAA with IPv4":     {record("{type: AAAA, name: '@', content: 192.0.2.1}"), 4, []string{"type: A"}},
		"CNAME to address":   {record("{type: CNAME, name: '@', content: 192.0.2.1}"), 4, []string{"not a name"}},
		"CNAME beside A":     {record("{type: A, name: '@', content: 192.0.2.1}, {type: CNAME, name: '@', content: a.example}"), 4, []string{"beside another"}},
		"record twice":       {record("{type: A, name: '@', content: 192.0.2.1}, {type: A, name: shop.example, content: 192.0.2.1, proxied: true}"), 4, []string{"same record"}},
		"record incomplete":  {record("{type: A, name: '@'}"), 4, []string{"needs type, name and content"}},
		"proxied":            {record("{type: A, name: '@', content: 192.0.2.1, proxied: orange}"), 4, []string{"true, false"}},
		"action":             {zone("rules: {custom: [{expression: ssl, action: blcok}]}"), 4, []string{"block, challenge, js_challenge, managed_challenge, log, skip"}},
		"rule incomplete":    {zone("rules: {custom: [{action: block}]}"), 4, []string{"expression and an action"}},
		"expression":         {zone("rules: {custom: [{expression: bad, action: block}]}"), 4, []string{"custom[0].expression", "bad expression"}},
		"skip response":      {zone("rules: {custom: [{expression: ssl, action: skip, action_parameters: {response: {status_code: 403}}}]}"), 4, []string{"belongs to the action block"}},
		"block status":       {zone("rules: {custom: [{expression: ssl, action: block, action_parameters: {response: {status_code: 200}}}]}"), 4, []string{"400 to 499"}},
		"origin port":        {zone("rules: {origin: [{expression: ssl, action_parameters: {origin: {port: 70000}}}]}"), 4, []string{"1 to 65535"}},
		"origin nothing":     {zone("rules: {origin: [{expression: ssl, action: route}]}"), 4, []string{"changes nothing"}},
		"origin action":      {zone("rules: {origin: [{expression: ssl, action: block, action_parameters: {origin: {port: 1}}}]}"), 4, []string{"route"}},
		"origin host":        {zone("rules: {origin: [{expression: ssl, action_parameters: {host_header: 192.0.2.1}}]}"), 4, []string{"not a name"}},
		"period":             {limit("expression: ssl, requests_per_period: 5, period: 15"), 4, []string{`"15"`, "10, 60, 120"}},
		"mitigation":         {limit("expression: ssl, requests_per_period: 5, period: 10, mitigation_timeout: 5"), 4, []string{"86400"}},
		"characteristic":     {limit("expression: ssl, requests_per_period: 5, period: 10, characteristics: [bad]"), 4, []string{"ip.src"}},
		"limit incomplete":   {limit("expression: ssl, period: 10"), 4, []string{"requests_per_period"}},
		"read timeout":       {zone("proxy_read_timeout: 7000"), 4, []string{"1 to 6000"}},
	} {
		_, err := Loader{CheckExpression: refuseExpressions}.Parse(filepath.Join(files(t), "edge.yaml"), []byte(tc.in))
		var ps Problems
		if !errors.As(err, &ps) {
			t.Errorf("%s: error %v, want problems", name, err)
			continue
		}
		if len(ps) != 1 || ps[0].Line != tc.line {
			t.Errorf("%s: %v; want one problem in line %d", name, ps, tc.line)
		}
		for _, w := range append(tc.want, "edge.yaml") {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v\nlacks %q", name, err, w)
			}
		}
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	_, err := Loader{}.Parse("edge.yaml", []byte("listen: {http: ['80']}\ncolo: x\ntimers: {reed: 1s}\nzones:\n- {name: a.example, ssl: no}\n"))
	var ps Problems
	if !errors.As(err, &ps) || len(ps) != 4 {
		t.Fatalf("%v: want four problems", err)
	}
	for i, p := range ps {
		if want := i + 1 + i/3; p.Line != want {
			t.Errorf("problem %d is in line %d, want %d: %v", i, p.Line, want, p)
		}
	}
}

// A rule that spans lines is reported at the line within it.
func TestExpressionInABlock(t *testing.T) {
	in := head + "zones:\n- name: a.example\n  rules:\n    custom:\n    - action: block\n      expression: |\n        ssl and\n        nonsense\n"
	_, err := Loader{CheckExpression: checkSecondLine}.Parse("edge.yaml", []byte(in))
	var ps Problems
	if !errors.As(err, &ps) || len(ps) != 1 || ps[0].Line != 9 {
		t.Errorf("%v: want the problem in line 9", err)
	}
}

func TestWarnings(t *testing.T) {
	c, err := Loader{}.Parse("edge.yaml", []byte("listen: {http: [':8081', ':8080'], https: [':8443', ':80']}"))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) != 2 || !strings.Contains(c.Warnings[0].Error(), "8081") || !strings.Contains(c.Warnings[1].Error(), "443, 2053") {
		t.Errorf("warnings %v", c.Warnings)
	}
}

func TestCertificateForAnotherName(t *testing.T) {
	c, err := Loader{}.Parse(filepath.Join(files(t), "edge.yaml"), []byte(head+"zones: [{name: other.example, certificate: {cert: shop.pem, key: shop.key}}]"))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0].Error(), "does not name other.example") || c.Warnings[0].Line != 2 {
		t.Errorf("warnings %v", c.Warnings)
	}
}

func TestMissingFile(t *testing.T) {
	_, err := Loader{}.Load(filepath.Join(t.TempDir(), "none.yaml"))
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(documented)
	f.Add(head)
	f.Add(`{"listen":{"http":":80"},"zones":[{"name":"a.example","records":[{"type":"A","name":"@","content":"192.0.2.1"}]}]}`)
	f.Add("a: &a [*a]\nlisten: *a")
	f.Add("zones: &z [{name: a.example}]\nlisten: {http: [':80']}\negress: *z")
	f.Fuzz(func(t *testing.T, in string) {
		c, err := Loader{}.Parse("edge.yaml", []byte(in))
		if (c == nil) == (err == nil) {
			t.Fatalf("config %v with error %v", c, err)
		}
	})
}
