package incident

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// outsideForms are what is seen straight at the origin, and of names.
var outsideForms = []form{
	{"outside https", func(b *builder, l *line) error { return b.exchange(originward.Outside, "https", l) }},
	{"outside http", func(b *builder, l *line) error { return b.exchange(originward.Outside, "http", l) }},
	{"outside dns", (*builder).dns},
	{"outside network", (*builder).network},
	{"outside repeat", func(b *builder, l *line) error { return b.repeat(originward.Outside, "direct", l) }},
	{"outside path", (*builder).path},
	{"host https", func(b *builder, l *line) error { return b.exchange(originward.Host, "https", l) }},
	{"host http", func(b *builder, l *line) error { return b.exchange(originward.Host, "http", l) }},
}

// outcome is how a word of a line ends an exchange.
type outcome struct {
	phase originward.Phase
	typ   originward.FaultType
	errno string
	ended string
	ms    float64
}

// outcomes lists the words for failures. A number is a whole answer.
var outcomes = map[string]outcome{
	"refused":     {originward.PhaseConnect, originward.ConnectionRefused, "ECONNREFUSED", "", 20},
	"timeout":     {originward.PhaseConnect, originward.ConnectionTimeout, "ETIMEDOUT", "timeout", 3000},
	"prohibited":  {originward.PhaseConnect, originward.DestinationIPUnroutable, "EHOSTUNREACH", "", 20},
	"no-route":    {originward.PhaseConnect, originward.DestinationIPUnroutable, "ENETUNREACH", "", 1},
	"alert":       {originward.PhaseTLS, originward.TLSAlertReceived, "", "", 40},
	"not-tls":     {originward.PhaseTLS, originward.TLSProtocolError, "", "", 40},
	"tls-closed":  {originward.PhaseTLS, originward.ConnectionTerminated, "", "closed", 40},
	"tls-reset":   {originward.PhaseTLS, originward.ConnectionTerminated, "ECONNRESET", "reset", 40},
	"tls-timeout": {originward.PhaseTLS, originward.ConnectionTimeout, "", "timeout", 5000},
	"closed":      {originward.PhaseFirstByte, originward.ConnectionTerminated, "", "closed", 60},
	"reset":       {originward.PhaseFirstByte, originward.ConnectionTerminated, "ECONNRESET", "reset", 60},
	"slow":        {originward.PhaseFirstByte, originward.HTTPResponseTimeout, "", "timeout", 8000},
	"large-head":  {originward.PhaseHeaders, originward.HTTPResponseHeaderSection, "", "", 60},
	"no-http":     {originward.PhaseHeaders, originward.HTTPProtocolError, "", "", 60},
	"torn":        {originward.PhaseHeaders, originward.HTTPResponseIncomplete, "", "closed", 60},
	"body-stalls": {originward.PhaseBody, originward.ConnectionReadTimeout, "", "timeout", 8000},
}

// alerts are the TLS alerts of RFC 8446 §6 by name.
var alerts = map[string]int{
	"unexpected_message": 10, "handshake_failure": 40, "bad_certificate": 42, "illegal_parameter": 47, "access_denied": 49, "decode_error": 50,
	"protocol_version": 70, "insufficient_security": 71, "internal_error": 80, "unrecognized_name": 112, "certificate_required": 116, "no_application_protocol": 120,
}

// exchange reads "https [ADDR] [PORT]: OUTCOME …".
func (b *builder) exchange(v originward.Vantage, scheme string, l *line) error {
	to, err := target(v, scheme, l.head)
	if err != nil {
		return err
	}
	x := fact.Exchange{
		Variant: l.opt("variant"), Target: to, Scheme: scheme, Host: b.site, Path: "/", Timers: "fast", Source: prober, Phases: []fact.PhaseTime{},
	}
	if scheme == "https" {
		x.SNI = b.site
	}
	if to.Addr().Is6() {
		x.Source = prober6
	}
	if v == originward.Host {
		x.Source = to.Addr()
	}
	if from := l.opt("from"); from != "" {
		if x.Source, err = addr(from); err != nil {
			return err
		}
	}
	word := l.word()
	status, numErr := strconv.Atoi(word)
	o, fails := outcomes[word]
	switch {
	case fails:
		err = b.fails(&x, o, l)
	case numErr == nil && status >= 100 && status <= 599:
		err = b.answers(&x, status, l)
	default:
		return fmt.Errorf("outcome %q: allowed are a status and %s", word, keys(outcomes))
	}
	if err != nil {
		return err
	}
	b.add(v, x, b.of(to, scheme), to.String()+" "+word)
	return nil
}

// target reads the words after the scheme: an address, a port, both or none.
func target(v originward.Vantage, scheme string, words []string) (netip.AddrPort, error) {
	a, port := origin4, uint16(443)
	if scheme == "http" {
		port = 80
	}
	if v == originward.Host {
		a = netip.MustParseAddr("127.0.0.1")
	}
	for _, w := range words {
		if n, err := strconv.ParseUint(w, 10, 16); err == nil && n > 0 {
			port = uint16(n)
			continue
		}
		x, err := addr(w)
		if err != nil {
			return netip.AddrPort{}, fmt.Errorf("%q: allowed are an address and a port", w)
		}
		a = x
	}
	return netip.AddrPortFrom(a, port), nil
}

// phasesTo are the phases up to and with one, of which the last is done or not.
func phasesTo(scheme string, last originward.Phase, done bool, ms float64) []fact.PhaseTime {
	out := []fact.PhaseTime{}
	for _, p := range originward.Phases()[4:] { // connect and what follows
		if p == originward.PhaseTLS && scheme == "http" {
			continue
		}
		if p == last {
			return append(out, fact.PhaseTime{Phase: p, MS: ms, Done: done})
		}
		out = append(out, fact.PhaseTime{Phase: p, MS: 8, Done: true})
	}
	return out
}

// fails makes the exchange end in a fault.
func (b *builder) fails(x *fact.Exchange, o outcome, l *line) error {
	ms := o.ms
	if s := l.opt("after"); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil || d <= 0 {
			return fmt.Errorf("after=%s: allowed is a duration, such as 1.2s", s)
		}
		ms = float64(d.Microseconds()) / 1000
	}
	x.Phases = phasesTo(x.Scheme, o.phase, false, ms)
	x.Fault = &fact.Fault{
		Phase: o.phase, Type: o.typ, Code: originward.CodeFor(o.phase, o.typ).Error, Errno: o.errno, Ended: o.ended, AfterMS: ms,
		Sample: l.opt("sample"), Looks: l.opt("looks"), Detail: "as reported",
	}
	if x.Fault.Ended == "closed" && o.phase == originward.PhaseFirstByte {
		x.Fault.Kind = "empty_reply"
	}
	if o.typ == originward.TLSAlertReceived {
		name := l.word()
		n, ok := alerts[name]
		if !ok {
			return fmt.Errorf("alert %q: allowed are %s", name, keys(alerts))
		}
		x.Fault.Alert, x.Fault.AlertName = 1000+n, name
	}
	x.Fault.NotTLS = o.typ == originward.TLSProtocolError
	var err error
	if x.Fault.ClientCert, err = triOf(l.opt("client-cert")); err != nil {
		return err
	}
	if originward.PhaseTLS.Before(o.phase) && x.Scheme == "https" {
		x.TLS, err = b.tls(l)
	} else if o.phase == originward.PhaseTLS && x.Fault.ClientCert == fact.Yes {
		x.TLS = &fact.TLS{ClientCert: fact.Yes}
	}
	return err
}

// answers makes the exchange end in a response.
func (b *builder) answers(x *fact.Exchange, status int, l *line) error {
	x.Phases = phasesTo(x.Scheme, originward.PhaseBody, true, 5)
	x.Response = &fact.Response{Status: status, Proto: "HTTP/1.1", Header: map[string]string{}, BodyBytes: 600, Title: l.opt("title"), Body: l.opt("body")}
	if loc := l.opt("location"); loc != "" {
		x.Response.Header["location"] = loc
	}
	if s := l.opt("server"); s != "" {
		x.Response.Header["server"] = s
	}
	if x.Scheme == "http" {
		return nil
	}
	var err error
	x.TLS, err = b.tls(l)
	if err == nil && x.TLS.ALPN == "h2" {
		x.Response.Proto = "HTTP/2.0"
	}
	return err
}

// reasons are the words for what a strict mode finds wrong with a certificate.
var reasons = map[string]fact.CertReason{
	"expired": fact.CertExpired, "not-yet-valid": fact.CertNotYetValid, "name": fact.CertNameMismatch, "self-signed": fact.CertSelfSigned,
	"unknown-issuer": fact.CertUnknownIssuer, "incomplete": fact.CertChainIncomplete, "revoked": fact.CertRevoked, "none": fact.CertNone,
}

// tls reads what the handshake showed: cert=REASON,… names=… alpn=h2.
func (b *builder) tls(l *line) (*fact.TLS, error) {
	t := &fact.TLS{Complete: true, Version: "1.3", Cipher: "TLS_AES_128_GCM_SHA256", ALPN: l.opt("alpn"), Judged: fact.Yes, Trust: "public"}
	leaf := fact.Cert{
		Subject: "CN=" + b.site, Issuer: "CN=Public issuer", CN: b.site, Names: []string{b.site},
		NotBefore: b.at.AddDate(0, -1, 0), NotAfter: b.at.AddDate(0, 2, 0), Serial: "0a", SHA256: "0a", KeyType: "ECDSA P-256",
	}
	if n := l.list("names"); n != nil {
		leaf.Names, leaf.CN, leaf.Subject = n, n[0], "CN="+n[0]
	}
	if s := l.opt("serial"); s != "" {
		leaf.Serial, leaf.SHA256 = s, s
	}
	chain := true
	for _, w := range l.list("cert") {
		r, ok := reasons[w]
		if !ok {
			return nil, fmt.Errorf("cert=%s: allowed are %s", w, keys(reasons))
		}
		t.Reasons, t.Trust = append(t.Reasons, r), ""
		switch r {
		case fact.CertExpired:
			leaf.NotBefore, leaf.NotAfter = b.at.AddDate(0, -4, 0), b.at.AddDate(0, 0, -3)
		case fact.CertNotYetValid:
			leaf.NotBefore = b.at.AddDate(0, 0, 1)
		case fact.CertSelfSigned:
			leaf.Issuer, leaf.SelfSigned, chain = leaf.Subject, true, false
		case fact.CertChainIncomplete:
			t.Missing, chain = leaf.Issuer, false
		case fact.CertUnknownIssuer:
			leaf.Issuer, chain = "CN=Private issuer", false
		}
	}
	t.Chain = []fact.Cert{leaf}
	if chain {
		t.Chain = append(t.Chain, fact.Cert{Subject: leaf.Issuer, Issuer: "CN=Public root", CN: strings.TrimPrefix(leaf.Issuer, "CN="), Names: []string{}, NotBefore: b.at.AddDate(-2, 0, 0), NotAfter: b.at.AddDate(3, 0, 0), Serial: "01", CA: true})
	}
	var err error
	t.ClientCert, err = triOf(l.opt("client-cert"))
	return t, err
}
