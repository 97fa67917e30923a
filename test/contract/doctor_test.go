package contract

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloudflare/cloudflare-go/v7/dns"
	"github.com/cloudflare/cloudflare-go/v7/rulesets"
	"github.com/cloudflare/cloudflare-go/v7/zones"
	wire "github.com/miekg/dns"
)

// Addresses of the world in which the doctor is tried: all on one machine, in a
// network namespace of its own.
const (
	visitorSide = "198.51.100.10" // the edge
	plainOrigin = "203.0.113.10"  // serves http, also on port 8888
	tlsOrigin   = "203.0.113.20"  // serves https and sends http there
	deadAddress = "203.0.113.99"
)

// inNamespace runs a test again in a network namespace of its own, where every
// address and port is free. It reports whether this is that run.
func inNamespace(t *testing.T, programs ...string) bool {
	t.Helper()
	if os.Getenv("OW_CONTRACT_INSIDE") == "1" {
		for _, args := range []string{"link set lo up", "address add " + visitorSide + "/32 dev lo", "address add " + plainOrigin + "/32 dev lo", "address add " + tlsOrigin + "/32 dev lo"} {
			if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
				t.Fatalf("ip %s: %v: %s", args, err, out)
			}
		}
		return true
	}
	if os.Getuid() != 0 {
		t.Skip("needs root for a network namespace")
	}
	for _, p := range append(programs, "unshare", "ip") {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("needs %s", p)
		}
	}
	cmd := exec.Command("unshare", "--net", os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), "OW_CONTRACT_INSIDE=1", "ORIGINWARD="+binary)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
	return false
}

// world is an edge with nginx as its origins.
type world struct {
	t   *testing.T
	e   *edge
	dir string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), e: &edge{t: t, api: "127.0.0.1:8520", dns: "127.0.0.1:53"}}
	w.certificate()
	conf := filepath.Join(w.dir, "nginx.conf")
	write(t, conf, fmt.Sprintf(`pid %[1]s/nginx.pid; error_log %[1]s/nginx.log; events {}
http {
	access_log off;
	server { listen %[2]s:80; listen %[2]s:8888; return 200 hello; }
	server { listen %[3]s:80; return 301 https://$host$request_uri; }
	server { listen %[3]s:443 ssl; ssl_certificate %[1]s/shop.pem; ssl_certificate_key %[1]s/shop.key; return 200 hello; }
}
`, w.dir, plainOrigin, tlsOrigin))
	if out, err := exec.Command("nginx", "-c", conf).CombinedOutput(); err != nil { // listens when it returns
		t.Fatalf("nginx: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("nginx", "-c", conf, "-s", "stop").Run() })
	w.e.run(w.dir, `listen: {http: ["`+visitorSide+`:80"], https: ["`+visitorSide+`:443"], api: "`+w.e.api+`", dns: ["`+w.e.dns+`"]}
egress: [`+visitorSide+`]
dns: {name_servers: [ns1.edge.example, ns2.edge.example]}
data: data
api_tokens: [{name: root, file: token}]
timers: {connect: 2s}
`)
	return w
}

// site is a zone of the edge with proxied addresses.
type site struct {
	*world
	name, zone string
	records    []string // their ids
}

// site adds a site: each has a zone of its own, so that nothing that was broken for
// another is remembered.
func (w *world) site(name string, addresses ...string) *site {
	w.t.Helper()
	s := &site{world: w, name: name, zone: newZone(w.t, w.e, name)}
	must[*zones.SettingEditResponse](w.t)(zones.NewSettingService(w.e.options(rootToken)...).Edit(ctx(w.t), "ssl",
		with(zones.SettingEditParams{}, "ZoneID", s.zone, "Body", with(zones.SettingEditParamsBody{}, "Value", "flexible"))))
	for _, a := range addresses {
		r := must[*dns.RecordResponse](w.t)(dns.NewRecordService(w.e.options(rootToken)...).New(ctx(w.t), with(dns.RecordNewParams{}, "ZoneID", s.zone, "Body", s.address(a, true))))
		s.records = append(s.records, r.ID)
	}
	return s
}

func (s *site) address(content string, proxied bool) dns.ARecordParam {
	return with(dns.ARecordParam{}, "Name", s.name, "TTL", dns.TTL1, "Type", dns.ARecordTypeA, "Content", content, "Proxied", proxied)
}

func (s *world) certificate() {
	s.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"*.example"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		s.t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		s.t.Fatal(err)
	}
	write(s.t, filepath.Join(s.dir, "shop.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(s.t, filepath.Join(s.dir, "shop.key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})))
}

// paint turns the site's first record orange or grey.
func (s *site) paint(proxied bool) {
	s.t.Helper()
	must[*dns.RecordResponse](s.t)(dns.NewRecordService(s.e.options(rootToken)...).Edit(ctx(s.t), s.records[0], with(dns.RecordEditParams{}, "ZoneID", s.zone, "Body", s.address(plainOrigin, proxied))))
}

// block puts one rule in force and gives its id.
func (s *site) block(expression string) string {
	s.t.Helper()
	rule := with(rulesets.PhaseUpdateParamsRule{}, "Action", rulesets.PhaseUpdateParamsRulesAction("block"), "Expression", expression)
	up := must[*rulesets.PhaseUpdateResponseEnvelopeResult](s.t)(rulesets.NewPhaseService(s.e.options(rootToken)...).Update(ctx(s.t), rulesets.PhaseHTTPRequestFirewallCustom,
		with(rulesets.PhaseUpdateParams{}, "ZoneID", s.zone, "Rules", []rulesets.PhaseUpdateParamsRuleUnion{rule})))
	return up.Rules[0].ID
}

// diagnosis is what of the doctor's answer is checked.
type diagnosis struct {
	Status   string   `json:"status"`
	Roots    []string `json:"root_causes"`
	Findings []struct {
		Cause, Standing string
		Subject         struct{ Name string }
		Next            *struct{ Observe, How string }
	}
	NotObserved []struct{ Vantage, Why, How string } `json:"not_observed"`
	Evidence    []struct{ Vantage, Question, Text string }
}

func (d diagnosis) standing(cause string) string {
	for _, f := range d.Findings {
		if f.Cause == cause {
			return f.Standing
		}
	}
	return ""
}

// asksForToken reports whether the diagnosis says that the CDN's side was not
// looked at, and how to have it looked at.
func (d diagnosis) asksForToken() bool {
	for _, n := range d.NotObserved {
		if n.Vantage == "cdn" && strings.Contains(n.How, "--cdn-token-file") {
			return true
		}
	}
	return false
}

// diagnose asks the doctor; without a token it has nothing of the edge's side.
func (s *site) diagnose(token bool, target string, more ...string) diagnosis {
	s.t.Helper()
	args := append([]string{"diagnose", target, "--resolver", "127.0.0.1", "--format", "json"}, more...)
	if token {
		args = append(args, "--cdn-api", "http://"+s.e.api, "--cdn-token-file", filepath.Join(s.dir, "token"))
	}
	cmd := exec.Command(binary, args...)
	cmd.Env = append(os.Environ(), "CLOUDFLARE_API_TOKEN=", "CLOUDFLARE_BASE_URL=", "HOME="+s.dir)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() > 2) {
		s.t.Fatalf("diagnose: %v: %s", err, errs.Bytes())
	}
	if bytes.Contains(out, []byte(rootToken)) {
		s.t.Error("the token stands in the diagnosis")
	}
	var d diagnosis
	if err := json.Unmarshal(out, &d); err != nil {
		s.t.Fatal(err)
	}
	return d
}

// With a token for the edge and nothing of the origin's host, the doctor names what
// is wrong at the edge; without it, it proves none and says what to add.
func TestDoctorWithAndWithoutAToken(t *testing.T) {
	if !inNamespace(t, "nginx") {
		return
	}
	w := newWorld(t)
	if d := w.site("shop.example", plainOrigin).diagnose(true, "http://shop.example/"); d.Status != "healthy" {
		t.Fatalf("nothing is broken, and the doctor says %s %v", d.Status, d.Roots)
	}
	blocked := w.site("blocked.example", plainOrigin)
	blocked.block(`http.host eq "blocked.example"`)
	for _, c := range []struct {
		cause, standing string
		site            *site
		url             string
		told            []string // what the user tells of the origin
	}{
		// Whose the address is now, only a look at the host proves.
		{"dns.stale-address", "likely", w.site("stale.example", deadAddress), "http://stale.example/", []string{"--origin", plainOrigin}},
		{"dns.duplicate-records", "likely", w.site("double.example", plainOrigin, deadAddress), "http://double.example/", nil},
		{"cdn.ssl-mode-too-low", "proved", w.site("mode.example", tlsOrigin), "https://mode.example/", []string{"--origin", tlsOrigin}},
		{"cdn.rule-blocks", "proved", blocked, "http://blocked.example/", nil},
		{"dns.placeholder-without-route", "proved", w.site("placeholder.example", "192.0.2.1"), "http://placeholder.example/", nil},
		{"cdn.port-unsupported", "proved", w.site("port.example", plainOrigin), "http://port.example:8888/", []string{"--origin", plainOrigin}},
	} {
		t.Run(c.cause, func(t *testing.T) {
			c.site.t = t
			told := c.site.diagnose(true, c.url, c.told...)
			if !slices.Equal(told.Roots, []string{c.cause}) || told.standing(c.cause) != c.standing {
				t.Errorf("with the token: %v, %s is %q", told.Roots, c.cause, told.standing(c.cause))
			}
			blind := c.site.diagnose(false, c.url, c.told...)
			for _, f := range blind.Findings {
				if f.Standing == "proved" && f.Cause != "healthy" {
					t.Errorf("without the token %s is proved", f.Cause)
				}
			}
			if !blind.asksForToken() {
				t.Errorf("without the token, nobody asks for it: %+v", blind.NotObserved)
			}
		})
	}
}

// A rule that cannot be judged from outside, for it looks at what differs between
// visitors, is named by the ray of the visit that it refused.
func TestDoctorFindsTheRuleByRay(t *testing.T) {
	if !inNamespace(t, "nginx") {
		return
	}
	s := newWorld(t).site("shop.example", plainOrigin)
	rule := s.block(`ip.src in {` + visitorSide + ` 127.0.0.1}`)
	d := s.diagnose(true, "http://shop.example/")
	if d.standing("cdn.rule-blocks") != "proved" || d.Findings[0].Subject.Name != rule {
		t.Errorf("%+v", d.Findings)
	}
}

// Turning a record grey through the SDK changes what DNS answers within 100 ms, and
// what the doctor says.
func TestDoctorSeesGrey(t *testing.T) {
	if !inNamespace(t, "nginx", "dig") {
		return
	}
	s := newWorld(t).site("shop.example", plainOrigin)
	dig := func() string {
		t.Helper()
		out, err := exec.Command("dig", "@127.0.0.1", "+short", s.name, "A").Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	if got := dig(); got != visitorSide {
		t.Fatalf("orange, dig answers %s", got)
	}
	s.paint(false)
	changed := time.Now()
	for !slices.Equal(s.e.ask(s.name, wire.TypeA), []string{plainOrigin}) {
		if time.Since(changed) > 100*time.Millisecond {
			t.Fatal("100 ms after the call, DNS answers as before")
		}
	}
	if got := dig(); got != plainOrigin {
		t.Errorf("grey, dig answers %s", got)
	}
	if d := s.diagnose(true, "http://shop.example/"); d.standing("cdn.record-grey") != "possible" {
		t.Errorf("grey, the doctor says %s: %+v", d.Status, d.Findings)
	}
	s.paint(true)
	if d := s.diagnose(true, "http://shop.example/"); d.Status != "healthy" || d.standing("cdn.record-grey") != "" {
		t.Errorf("orange again, the doctor says %s: %+v", d.Status, d.Findings)
	}
}
