package exchange

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// TestProfiles pins the documented numbers (cloudflare connection-limits, 2026-07-23).
func TestProfiles(t *testing.T) {
	p := Patient()
	for name, got := range map[string]bool{
		"connect 19 s":    p.Connect == 19*time.Second && p.SynCount == 3,
		"ack 90 s":        p.Ack == 90*time.Second,
		"read 125 s":      p.Read == 125*time.Second,
		"write 30 s":      p.Write == 30*time.Second,
		"idle 900 s":      p.Idle == 900*time.Second,
		"keepalive":       p.KeepIdle == 30*time.Second && p.KeepInterval == 15*time.Second && p.KeepCount == 2,
		"head 128 KB":     p.Head == 131072,
		"streams 200":     p.MaxStreams == 200,
		"zero is patient": Profile{}.withDefaults() == func() Profile { p := Patient(); p.SynCount = 0; return p }(),
	} {
		if !got {
			t.Errorf("%s: %+v", name, p)
		}
	}
	f := Fast()
	for name, d := range map[string]time.Duration{"connect": f.Connect, "handshake": f.Handshake, "ack": f.Ack, "read": f.Read, "write": f.Write, "resolve": f.Resolve} {
		if d <= 0 || d > FastWhole {
			t.Errorf("fast %s is %v", name, d)
		}
	}
	if got := (ProbeSpec{}).prepare(); got.Profile.Name != "fast" || got.Budget != FastWhole {
		t.Errorf("default probe: %q, %v", got.Profile.Name, got.Budget)
	}
	if got := (ProbeSpec{Profile: Patient()}).prepare(); got.Budget != 0 {
		t.Errorf("patient probe: budget %v", got.Budget)
	}
}

func TestTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tr Trace
		tr.Reset()
		tr.Begin(StepConnect)
		time.Sleep(2 * time.Millisecond)
		tr.Next(StepConnect, StepTLS)
		time.Sleep(3 * time.Millisecond)
		tr.Next(StepTLS, StepWrite)
		tr.Next(StepWrite, StepFirstByte)
		time.Sleep(5 * time.Millisecond)
		tr.Fail(StepFirstByte)
		want := []fact.PhaseTime{
			{Phase: originward.PhaseConnect, MS: 2, Done: true}, {Phase: originward.PhaseTLS, MS: 3, Done: true},
			{Phase: originward.PhaseWrite, MS: 0, Done: true}, {Phase: originward.PhaseFirstByte, MS: 5},
		}
		if got := tr.Phases(); !slices.Equal(got, want) {
			t.Errorf("got %+v", got)
		}
		if tr.Elapsed() != 10*time.Millisecond {
			t.Errorf("elapsed %v", tr.Elapsed())
		}
		tr.Fail(StepWrite) // it turns out not to have been acknowledged
		if got := tr.Phases(); len(got) != 3 || got[2].Done || got[2].MS != 5 {
			t.Errorf("got %+v", got)
		}
		tr.Fail(StepHeaders) // never begun
		if got := tr.Phases(); len(got) != 4 || !got[2].Done || got[3].Phase != originward.PhaseHeaders || got[3].Done {
			t.Errorf("got %+v", got)
		}
		var none *Trace
		none.Begin(StepBody)
		none.Next(StepBody, StepBody)
		none.Fail(StepBody)
		none.End(StepBody)
	})
	for s := range stepCount {
		if s.Phase() == "" || (s > 0 && !(s - 1).Phase().Before(s.Phase())) {
			t.Errorf("step %d is phase %q", s, s.Phase())
		}
	}
	if stepCount.Phase() != "" {
		t.Error("a phase for no step")
	}
}

// answers is a resolver of fixed answers.
type answers map[string]any

func (a answers) LookupNetIP(ctx context.Context, _, host string) ([]netip.Addr, error) {
	switch v := a[host].(type) {
	case []netip.Addr:
		return v, nil
	case error:
		return nil, v
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestResolve(t *testing.T) {
	own := netip.MustParseAddr("198.51.100.10")
	r := answers{
		"good":     []netip.Addr{netip.MustParseAddr("::ffff:192.0.2.1"), netip.MustParseAddr("2001:db8::1")},
		"empty":    []netip.Addr{},
		"own":      []netip.Addr{netip.MustParseAddr("192.0.2.1"), own},
		"nxdomain": &net.DNSError{IsNotFound: true, Err: "no such host"},
		"servfail": &net.DNSError{IsTemporary: true, Err: "server misbehaving"},
		"timeout":  &net.DNSError{IsTimeout: true, Err: "i/o timeout"},
	}
	ours := errors.New("an address of this edge")
	prohibited := func(a netip.Addr) error {
		if a == own {
			return ours
		}
		return nil
	}
	for name, want := range map[string]struct {
		typ  originward.FaultType
		code originward.Code
	}{
		"empty":    {originward.DNSError, originward.Code{Status: 530, Error: 1016}},
		"nxdomain": {originward.DNSError, originward.Code{Status: 530, Error: 1016}},
		"servfail": {originward.DNSError, originward.Code{Status: 530, Error: 1016}},
		"timeout":  {originward.DNSTimeout, originward.Code{Status: 530, Error: 1016}},
		"silent":   {originward.DNSTimeout, originward.Code{Status: 530, Error: 1016}},
		"own":      {originward.DestinationIPProhibited, originward.Code{Status: 403, Error: 1000}},
	} {
		synctest.Test(t, func(t *testing.T) {
			var tr Trace
			_, f := Resolve(t.Context(), r, Fast(), name, prohibited, &tr)
			if f == nil || f.Type != want.typ || f.Code() != want.code || f.Phase != originward.PhaseResolve {
				t.Errorf("%s: %v", name, f)
			}
			if name == "own" && !errors.Is(f, ours) {
				t.Errorf("%v", f)
			}
			if p := tr.Phases(); len(p) != 1 || p[0].Done {
				t.Errorf("%s: phases %+v", name, p)
			}
		})
	}
	got, f := Resolve(t.Context(), r, Fast(), "good", prohibited, nil)
	if f != nil || len(got) != 2 || got[0].String() != "192.0.2.1" {
		t.Errorf("%v %v", got, f)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, f := Resolve(ctx, r, Fast(), "silent", nil, nil); f == nil || f.Type != originward.ProxyInternalError {
		t.Errorf("cancelled: %v", f)
	}
}

// TestPlanFor is cloudflare.md §7: mode × visitor.
func TestPlanFor(t *testing.T) {
	for _, tc := range []struct {
		mode     originward.SSLMode
		scheme   string
		port     uint16
		over     Overrides
		want     Plan
		possible bool
	}{
		{originward.SSLOff, "https", 443, Overrides{}, Plan{Scheme: "http", Port: 80, Host: "a.example", Redirect: true}, true},
		{originward.SSLOff, "http", 80, Overrides{}, Plan{Scheme: "http", Port: 80, Host: "a.example"}, true},
		{originward.SSLFlexible, "https", 443, Overrides{}, Plan{Scheme: "http", Port: 80, Host: "a.example"}, true},
		{originward.SSLFlexible, "https", 8443, Overrides{}, Plan{Scheme: "https", Port: 8443, Host: "a.example", SNI: "a.example"}, true},
		{originward.SSLFlexible, "http", 8080, Overrides{}, Plan{Scheme: "http", Port: 8080, Host: "a.example"}, true},
		{originward.SSLFull, "https", 443, Overrides{}, Plan{Scheme: "https", Port: 443, Host: "a.example", SNI: "a.example"}, true},
		{originward.SSLFull, "http", 80, Overrides{}, Plan{Scheme: "http", Port: 80, Host: "a.example"}, true},
		{originward.SSLStrict, "https", 443, Overrides{}, Plan{Scheme: "https", Port: 443, Host: "a.example", SNI: "a.example", Validate: true}, true},
		{originward.SSLStrict, "http", 80, Overrides{}, Plan{Scheme: "http", Port: 80, Host: "a.example"}, true},
		{originward.SSLOriginPull, "http", 80, Overrides{}, Plan{Scheme: "https", Port: 443, Host: "a.example", SNI: "a.example", Validate: true}, true},
		{originward.SSLOriginPull, "https", 2053, Overrides{}, Plan{Scheme: "https", Port: 2053, Host: "a.example", SNI: "a.example", Validate: true}, true},
		{originward.SSLFull, "https", 443, Overrides{Port: 8443, Host: "b.example"}, Plan{Scheme: "https", Port: 8443, Host: "b.example", SNI: "b.example"}, true},
		{originward.SSLFull, "https", 443, Overrides{Host: "b.example", SNI: "c.example"}, Plan{Scheme: "https", Port: 443, Host: "b.example", SNI: "c.example"}, true},
		{originward.SSLFlexible, "https", 443, Overrides{SNI: "c.example"}, Plan{Scheme: "http", Port: 80, Host: "a.example"}, true},
		{"", "https", 443, Overrides{}, Plan{}, false},
	} {
		got, ok := PlanFor(tc.mode, tc.scheme, tc.port, "a.example", tc.over)
		if got != tc.want || ok != tc.possible {
			t.Errorf("%s %s:%d %+v: got %+v, %v", tc.mode, tc.scheme, tc.port, tc.over, got, ok)
		}
	}
}

func TestRetryAddr(t *testing.T) {
	at := func(p originward.Phase, typ originward.FaultType) *originward.Fault {
		return &originward.Fault{Phase: p, Type: typ}
	}
	two := []string{"a", "b"}
	for _, tc := range []struct {
		name  string
		addrs []string
		tried int
		f     *originward.Fault
		want  string
	}{
		{"refused", two, 0, at(originward.PhaseConnect, originward.ConnectionRefused), "b"},
		{"refused, second", two, 1, at(originward.PhaseConnect, originward.ConnectionRefused), "a"},
		{"timeout", two, 0, at(originward.PhaseConnect, originward.ConnectionTimeout), "b"},
		{"unroutable", two, 0, at(originward.PhaseConnect, originward.DestinationIPUnroutable), "b"},
		{"handshake", two, 0, at(originward.PhaseTLS, originward.TLSProtocolError), "b"},
		{"certificate", two, 0, at(originward.PhaseTLS, originward.TLSCertificateError), "b"},
		{"520", two, 0, at(originward.PhaseFirstByte, originward.ConnectionTerminated), ""},
		{"524", two, 0, at(originward.PhaseFirstByte, originward.HTTPResponseTimeout), ""},
		{"530", two, 0, at(originward.PhaseResolve, originward.DNSError), ""},
		{"body", two, 0, at(originward.PhaseBody, originward.ConnectionTerminated), ""},
		{"one address", two[:1], 0, at(originward.PhaseConnect, originward.ConnectionRefused), ""},
		{"the same address twice", []string{"a", "a"}, 0, at(originward.PhaseConnect, originward.ConnectionRefused), ""},
		{"no fault", two, 0, nil, ""},
	} {
		got, ok := RetryAddr(tc.addrs, tc.tried, tc.f)
		if got != tc.want || ok != (tc.want != "") {
			t.Errorf("%s: %q, %v", tc.name, got, ok)
		}
	}
}

func TestReplayable(t *testing.T) {
	for method, want := range map[string]bool{"GET": true, "HEAD": true, "PUT": true, "DELETE": true, "OPTIONS": true, "POST": false, "PATCH": false, "CONNECT": false} {
		if Replayable(method, false) != want || Replayable(method, true) {
			t.Errorf("%s", method)
		}
	}
}

// TestProbeBadInput: what cannot be sent is said, and nothing is dialled.
func TestProbeBadInput(t *testing.T) {
	for name, s := range map[string]ProbeSpec{
		"path":   {Path: "a b"},
		"no /":   {Path: "a"},
		"method": {Method: "GE T"},
		"host":   {Host: "a b"},
		"header": {Header: [][2]string{{"X", "a\r\nb"}}},
		"own":    {Header: [][2]string{{"Content-Length", "1"}}},
	} {
		s.Target.Addr = netip.MustParseAddrPort("127.0.0.1:9")
		x := Probe(t.Context(), s)
		if x.Fault == nil || x.Fault.Phase != originward.PhaseRequest || len(x.Phases) != 0 {
			t.Errorf("%s: %+v", name, x.Fault)
		}
	}
}

func TestDefaultHost(t *testing.T) {
	for _, tc := range []struct {
		addr, host string
		tls        bool
		want       string
	}{
		{"192.0.2.1:80", "a.example", false, "a.example"},
		{"192.0.2.1:443", "a.example", true, "a.example"},
		{"192.0.2.1:443", "a.example", false, "a.example:443"},
		{"192.0.2.1:8443", "a.example", true, "a.example:8443"},
		{"192.0.2.1:80", "", false, "192.0.2.1"},
		{"[2001:db8::1]:80", "", false, "[2001:db8::1]"},
		{"[2001:db8::1]:81", "", false, "[2001:db8::1]:81"},
	} {
		s := ProbeSpec{Target: Target{Addr: netip.MustParseAddrPort(tc.addr), Host: tc.host}}
		if tc.tls {
			s.Target.TLS = &TLSPolicy{}
		}
		if got := s.prepare().Host; got != tc.want {
			t.Errorf("%+v: %q", tc, got)
		}
	}
}
