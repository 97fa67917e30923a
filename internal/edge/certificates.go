package edge

import (
	"bytes"
	"crypto/tls"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/edge/acme"
)

// authority is the ACME client for a configuration; nil = none is wanted. The one
// there is goes on while it keeps its files in the same place. apply is held.
func (e *Edge) authority(cfg *config.Config) *acme.Manager {
	if cfg.ACME == nil || cfg.Data == "" {
		return nil
	}
	dir := filepath.Join(cfg.Data, "acme")
	if m := e.asked; m != nil && m.Dir() == dir {
		return m
	}
	return acme.New(dir, e.log)
}

// askForCertificates asks for what the zones in force want, and for nothing else. apply is held.
func (e *Edge) askForCertificates() {
	cfg, m := e.Config(), e.state.Load().acme
	if e.asked != m {
		e.asked.Close()
		e.asked = m
	}
	if m == nil {
		return
	}
	a := acme.Account{Directory: cfg.ACME.Directory, Email: cfg.ACME.Email, Roots: cfg.ACME.Roots, KeyID: cfg.ACME.KeyID, MACKey: cfg.ACME.MACKey}
	ways := e.ways(cfg)
	names, left := certified(cfg.Zones, ways.DNS != nil)
	for _, name := range left {
		e.log.Warn("no certificate is asked for: wildcards need the challenge dns-01", "name", name)
	}
	m.Use(a, ways, names)
}

// ways are the challenges that this edge can meet. A port of the system's choice is
// one that no ACME server asks at.
func (e *Edge) ways(cfg *config.Config) (w acme.Ways) {
	may := func(s string) bool { return slices.Contains(cfg.ACME.Challenges, s) }
	host := ""
	for _, a := range cfg.Listen.HTTP {
		if h, port, _ := net.SplitHostPort(a); may("http-01") && w.HTTP == "" && port != "0" {
			host, w.HTTP = h, a
		}
	}
	for _, a := range cfg.Listen.HTTPS {
		if h, port, _ := net.SplitHostPort(a); may("tls-alpn-01") && w.TLS == "" && port != "0" && (w.HTTP == "" || h == host) {
			w.TLS = a
		}
	}
	if may("dns-01") && len(cfg.Listen.DNS) > 0 {
		w.DNS = &e.proofs
		w.OnlyDNS = w.HTTP == "" && w.TLS == ""
	}
	return w
}

// certified are the names for which zones want certificates; wildcards that cannot
// be proved are left. What a wildcard covers needs none of its own.
func certified(zones []config.Zone, wildcards bool) (names, left []string) {
	for _, z := range zones {
		if !z.ACME || z.Certificate != nil {
			continue
		}
		seen := map[string]bool{}
		for _, r := range z.Records {
			switch {
			case !r.Proxied || strings.Contains(r.Name, "_"): // no certificate names an underscore
			case !wildcards && strings.HasPrefix(r.Name, "*."):
				if !slices.Contains(left, r.Name) {
					left = append(left, r.Name)
				}
			default:
				seen[r.Name] = true
			}
		}
		for name := range seen {
			if _, rest, _ := strings.Cut(name, "."); strings.HasPrefix(name, "*.") || !seen["*."+rest] {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names, left
}

// proof is the configuration for handshakes that check a TLS-ALPN-01 challenge.
func (st *state) proof() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{acme.Protocol}, GetCertificate: st.acme.Proof}
}

// proves answers an HTTP-01 challenge under way. Others are the origin's, which may
// ask for certificates itself.
func (v *visit) proves() bool {
	if v.st.acme == nil || v.method != "GET" || !bytes.HasPrefix(v.path, []byte(acme.PathPrefix)) {
		return false
	}
	body, ok := v.st.acme.Answer(string(v.host), string(v.path))
	if ok {
		v.reply(200, body, [2]string{"Content-Type", "text/plain"}, [2]string{"Cache-Control", "no-store"})
	}
	return ok
}

// proofs are what DNS answers for names that are being proved by DNS-01.
type proofs struct {
	tell func() // tells DNS
	mu   sync.Mutex
	all  [][2]string // name and value; guarded by mu
}

// Present has a name answer a value beside others.
func (p *proofs) Present(name, value string) {
	p.mu.Lock()
	p.all = append(p.all, [2]string{name, value})
	p.mu.Unlock()
	p.tell()
}

// CleanUp ends that.
func (p *proofs) CleanUp(name, value string) {
	p.mu.Lock()
	if i := slices.Index(p.all, [2]string{name, value}); i >= 0 {
		p.all = slices.Delete(p.all, i, i+1)
	}
	p.mu.Unlock()
	p.tell()
}

// in is a configuration with the proofs among its records.
func (p *proofs) in(cfg *config.Config) *config.Config {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.all) == 0 {
		return cfg
	}
	out := *cfg
	out.Zones = slices.Clone(cfg.Zones)
	for _, x := range p.all {
		best := -1
		for i, z := range out.Zones {
			if strings.HasSuffix(x[0], "."+z.Name) && (best < 0 || len(z.Name) > len(out.Zones[best].Name)) {
				best = i
			}
		}
		if best >= 0 {
			z := &out.Zones[best]
			z.Records = append(slices.Clip(slices.Clone(z.Records)), originward.Record{Type: "TXT", Name: x[0], Content: `"` + x[1] + `"`, TTL: proofTTL})
		}
	}
	return &out
}

// proofTTL is short: the next proof of the name is another.
const proofTTL = 60
