package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
	"go.uber.org/zap"

	"github.com/originward/originward/internal/exchange"
)

// Protocol is what a server that checks a TLS-ALPN-01 challenge asks for (RFC 8737).
const Protocol = acmez.ACMETLS1Protocol

// Account is whom certificates are asked of, and as whom.
type Account struct {
	Directory string // URL of the ACME server
	Email     string // empty = none is given
	// Roots vouch for the ACME server itself; empty = the system's.
	Roots []*x509.Certificate
	// KeyID and MACKey bind the account to one that exists elsewhere (RFC 8555 section
	// 7.3.4); empty = not bound. MACKey is base64url.
	KeyID, MACKey string
}

// same tells whether two accounts are one.
func (a Account) same(b Account) bool {
	return a.Directory == b.Directory && a.Email == b.Email && a.KeyID == b.KeyID && a.MACKey == b.MACKey &&
		slices.EqualFunc(a.Roots, b.Roots, (*x509.Certificate).Equal)
}

// Ways are the challenges that can be met.
type Ways struct {
	// HTTP and TLS are addresses that this program listens on for visitors, for HTTP-01
	// and TLS-ALPN-01; empty = not possible. Where both are given their hosts are the same.
	HTTP, TLS string
	// DNS answers for the names; nil = not possible.
	DNS TXT
	// OnlyDNS has every name proved by DNS-01, not only wildcards.
	OnlyDNS bool
}

// TXT sets what DNS answers while a name is being proved.
type TXT interface {
	// Present has a name, without a final dot, answer a value beside others.
	Present(name, value string)
	// CleanUp ends that.
	CleanUp(name, value string)
}

// Manager keeps certificates for a set of names. It is safe for concurrent use.
type Manager struct {
	dir string
	log *zap.Logger
	// renewAt is the part of a certificate's life that is left when it is renewed, every
	// how often that is looked at; zero = certmagic's: a third, ten minutes.
	renewAt   float64
	lookEvery time.Duration

	mu  sync.Mutex
	gen *generation // guarded by mu; nil = nothing is asked for
}

// generation is the work for one account and set of ways.
type generation struct {
	account Account
	ways    Ways
	cache   *certmagic.Cache
	plain   *certmagic.Config // names one by one, by HTTP-01 and TLS-ALPN-01
	byDNS   *certmagic.Config // nil = DNS-01 is not possible
	issuer  *certmagic.ACMEIssuer
	names   map[string]context.CancelFunc // each ends asking for its name
	ended   context.CancelFunc
	ctx     context.Context
	work    sync.WaitGroup
	once    sync.Once
}

// New makes a manager that keeps accounts, certificates and challenges under way in
// a folder; programs that share it share the work.
func New(dir string, log *slog.Logger) *Manager {
	return &Manager{dir: dir, log: zap.New(bridge{log: log})}
}

// Dir is the folder.
func (m *Manager) Dir() string { return m.dir }

// loadTime bounds how long Use waits for certificates that are kept.
const loadTime = 2 * time.Second

// Use asks for certificates for the names, and no longer for others. It waits, and
// not for long, for certificates that are kept already; nothing else.
func (m *Manager) Use(account Account, ways Ways, names []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.gen != nil && (!m.gen.account.same(account) || m.gen.ways != ways) {
		m.gen.end()
		m.gen = nil
	}
	if m.gen == nil {
		if len(names) == 0 {
			return
		}
		m.gen = m.newGeneration(account, ways)
	}
	done := m.gen.keep(names, m.log)
	select {
	case <-done:
	case <-time.After(loadTime):
	}
}

// Close ends all work. Certificates that were obtained are still given out.
func (m *Manager) Close() {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.gen != nil {
		m.gen.end()
	}
}

func (m *Manager) current() *generation {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.gen
}

func (m *Manager) newGeneration(account Account, ways Ways) *generation {
	g := &generation{account: account, ways: ways, names: map[string]context.CancelFunc{}}
	g.ctx, g.ended = context.WithCancel(context.Background())
	storage := &certmagic.FileStorage{Path: filepath.Clean(m.dir)}
	g.cache = certmagic.NewCache(certmagic.CacheOptions{
		Logger: m.log, RenewCheckInterval: m.lookEvery,
		GetConfigForCert: func(c certmagic.Certificate) (*certmagic.Config, error) {
			if len(c.Names) > 0 {
				return g.config(c.Names[0]), nil
			}
			return g.plain, nil
		},
	})
	template := certmagic.Config{Storage: storage, Logger: m.log, RenewalWindowRatio: m.renewAt}
	g.plain = certmagic.New(g.cache, template)
	g.issuer = certmagic.NewACMEIssuer(g.plain, g.template(m.log))
	g.plain.Issuers = []certmagic.Issuer{g.issuer}
	if ways.DNS != nil {
		t := g.template(m.log)
		t.DNS01Solver = solver{ways.DNS}
		g.byDNS = certmagic.New(g.cache, template)
		g.byDNS.Issuers = []certmagic.Issuer{certmagic.NewACMEIssuer(g.byDNS, t)}
	}
	return g
}

// template describes the ACME server to certmagic. Our own listeners are where it
// would listen itself: it finds the place taken, and leaves the answers to us.
func (g *generation) template(log *zap.Logger) certmagic.ACMEIssuer {
	host, httpPort := split(g.ways.HTTP)
	tlsHost, tlsPort := split(g.ways.TLS)
	if g.ways.HTTP == "" {
		host = tlsHost
	}
	t := certmagic.ACMEIssuer{
		CA: g.account.Directory, TestCA: g.account.Directory, Email: g.account.Email, Agreed: true, TrustedRoots: exchange.CertPool(g.account.Roots),
		DisableHTTPChallenge: g.ways.HTTP == "", DisableTLSALPNChallenge: g.ways.TLS == "",
		ListenHost: host, AltHTTPPort: httpPort, AltTLSALPNPort: tlsPort, Logger: log,
	}
	if g.account.KeyID != "" {
		t.ExternalAccount = &acme.EAB{KeyID: g.account.KeyID, MACKey: g.account.MACKey}
	}
	return t
}

func (g *generation) viaDNS(name string) bool {
	return g.byDNS != nil && (g.ways.OnlyDNS || strings.HasPrefix(name, "*."))
}

// job is the work for one name, until its context ends.
type job struct {
	ctx  context.Context
	name string
}

// config is certmagic's for a name.
func (g *generation) config(name string) *certmagic.Config {
	if g.viaDNS(name) {
		return g.byDNS
	}
	return g.plain
}

// loaders is how many certificates are read at once: each may have to ask for an
// OCSP answer.
const loaders = 8

// load reads what is kept; the answer is what is missing.
func (g *generation) load(jobs []job) (missing []job) {
	var wait sync.WaitGroup
	var mu sync.Mutex
	slots := make(chan struct{}, loaders)
	for _, j := range jobs {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			if _, err := g.config(j.name).CacheManagedCertificate(j.ctx, j.name); err != nil { // ManageAsync tells why, when it is no absence
				mu.Lock()
				defer mu.Unlock()
				missing = append(missing, j)
			}
		})
	}
	wait.Wait()
	return missing
}

// keep asks for the names; the channel is closed when what is kept has been read.
func (g *generation) keep(names []string, log *zap.Logger) <-chan struct{} {
	var gone []certmagic.SubjectIssuer
	for name, cancel := range g.names {
		if !slices.Contains(names, name) {
			cancel()
			delete(g.names, name)
			gone = append(gone, certmagic.SubjectIssuer{Subject: name})
		}
	}
	if len(gone) > 0 {
		g.cache.RemoveManaged(gone)
	}
	done := make(chan struct{})
	var fresh []job
	for _, name := range names {
		if g.names[name] == nil {
			ctx, cancel := context.WithCancel(g.ctx)
			g.names[name] = cancel
			fresh = append(fresh, job{ctx, name})
		}
	}
	if len(fresh) == 0 {
		close(done)
		return done
	}
	g.work.Go(func() {
		missing := g.load(fresh)
		close(done)
		for _, j := range missing {
			if err := g.config(j.name).ManageAsync(j.ctx, []string{j.name}); err != nil {
				log.Error("certificate", zap.String("name", j.name), zap.Error(err))
			}
		}
		// What was kept may have come of age while no program ran.
		if err := g.cache.RenewManagedCertificates(g.ctx); err != nil && g.ctx.Err() == nil {
			log.Error("renewal", zap.Error(err))
		}
	})
	return done
}

// end ends the work of a generation, which still gives out what it has.
func (g *generation) end() {
	g.once.Do(func() {
		g.ended()
		go func() { // certmagic may be in the middle of a question to the network
			g.work.Wait()
			g.cache.Stop()
		}()
	})
}

// Managed tells whether a certificate is kept, or asked for, for a name.
func (m *Manager) Managed(name string) bool {
	g := m.current()
	if g == nil {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if g.names[name] != nil {
		return true
	}
	_, rest, _ := strings.Cut(name, ".")
	return g.names["*."+rest] != nil
}

// Certificate is what there is for a visitor's handshake; nil = none yet.
func (m *Manager) Certificate(hello *tls.ClientHelloInfo) *tls.Certificate {
	g, name := m.current(), strings.ToLower(hello.ServerName)
	if g == nil || !m.Managed(name) {
		return nil
	}
	all := g.cache.AllMatchingCertificates(name)
	for i := range all {
		if all[i].Leaf != nil && !all[i].Expired() && hello.SupportsCertificate(&all[i].Certificate) == nil {
			return &all[i].Certificate
		}
	}
	if len(all) > 0 { // the visitor judges
		return &all[0].Certificate
	}
	return nil
}

// Proof is the certificate for a handshake that checks a TLS-ALPN-01 challenge.
func (m *Manager) Proof(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	g := m.current()
	if g == nil || !m.Managed(strings.ToLower(hello.ServerName)) {
		return nil, fmt.Errorf("no certificate is asked for under the name %q", hello.ServerName)
	}
	return g.plain.GetCertificateWithContext(hello.Context(), hello)
}
