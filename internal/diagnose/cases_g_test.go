package diagnose

import (
	"net/netip"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	bt "github.com/originward/originward/internal/causes/bundletest"
)

// badCert serves another certificate, which a strict edge refuses.
func badCert(leaf fact.Cert, reasons ...fact.CertReason) *bt.World {
	w := bt.Healthy()
	w.Swap(bt.With(bt.OK(bt.Origin4, 443), leaf, reasons...))
	w.Local = []fact.Exchange{bt.With(bt.OK(bt.Origin4, 443), leaf, reasons...)}
	w.Certs.Files[0].Chain = []fact.Cert{leaf}
	return w.Edge(526, originward.PhaseTLS, originward.TLSCertificateError)
}

// alert is a handshake that the server ends.
func alert(port uint16, n int, name string) fact.Exchange {
	x := bt.Fails(bt.Origin4, port, originward.PhaseTLS, originward.TLSAlertReceived, "")
	x.Fault.Alert, x.Fault.AlertName = 1000+n, name
	return x
}

// shake525 makes plain and variants fail alike and the edge answer 525.
func shake525(plain fact.Exchange, variants ...fact.Exchange) *bt.World {
	w := bt.Healthy()
	w.Settings.SSL = originward.SSLFull
	w.Swap(plain)
	w.Swap(variants...)
	return w.Edge(525, originward.PhaseTLS, plain.Fault.Type)
}

// shaken is a handshake of a variant that completes.
func shaken(v string) fact.Exchange {
	x := bt.Variant(bt.OK(bt.Origin4, 443), v)
	x.Response = nil
	return x
}

func tlsCases() []broken {
	cut := bt.Fails(bt.Origin4, 443, originward.PhaseTLS, originward.ConnectionTerminated, "ECONNRESET")
	return []broken{
		{name: "cert expired", want: ids("tls.cert-expired"), needs: outsideNeeded, world: func() *bt.World { return badCert(bt.Leaf("expired"), fact.CertExpired) }},
		{name: "cert of another name", want: ids("tls.cert-name-mismatch"), needs: outsideNeeded, world: func() *bt.World { return badCert(bt.Leaf("other"), fact.CertNameMismatch) }},
		{name: "cert self-signed", want: ids("tls.cert-default-or-self-signed"), needs: outsideNeeded, world: func() *bt.World {
			return badCert(bt.Leaf("self"), fact.CertSelfSigned, fact.CertNameMismatch)
		}},
		{name: "chain incomplete", want: ids("tls.chain-incomplete"), needs: outsideNeeded, world: func() *bt.World { return badCert(bt.Leaf("good"), fact.CertChainIncomplete) }},
		{name: "cert revoked", want: ids("tls.cert-revoked"), needs: outsideNeeded, world: func() *bt.World { return badCert(bt.Leaf("good"), fact.CertRevoked) }},
		{name: "two faults of one certificate", want: ids("tls.cert-expired", "tls.cert-name-mismatch"), needs: outsideNeeded, world: func() *bt.World {
			l := bt.Leaf("other")
			l.NotAfter = bt.At.AddDate(0, 0, -1)
			return badCert(l, fact.CertExpired, fact.CertNameMismatch)
		}},
		{name: "cert not reloaded", want: ids("tls.cert-not-reloaded"), needs: hostNeeded, world: func() *bt.World {
			w := badCert(bt.Leaf("expired"), fact.CertExpired)
			w.Certs.Files[0].Chain = []fact.Cert{bt.Leaf("good")}
			w.Certs.Served = []fact.CertServed{{Addr: netip.AddrPortFrom(bt.Origin4, 443), SNI: bt.Host, File: "/etc/ssl/shop.pem", Same: fact.No}}
			return w
		}},
		{name: "acme blocked", want: ids("tls.acme-blocked-by-proxy"), needs: hostNeeded, world: func() *bt.World {
			w := badCert(bt.Leaf("expired"), fact.CertExpired)
			w.Jobs.Jobs = []fact.Job{{Kind: "acme", Name: "certbot", Target: bt.Host, OK: fact.No, Errors: []fact.Place{{File: "/var/log/letsencrypt/letsencrypt.log", Line: 9, Text: "Challenge failed for domain shop.example: unauthorized: Invalid response from https://shop.example/.well-known/acme-challenge/x: 526"}}}}
			return w
		}},
		{name: "clock skew", want: ids("tls.clock-skew"), needs: []originward.Vantage{originward.Outside, originward.Host}, world: func() *bt.World {
			l := bt.Leaf("good")
			l.NotBefore = bt.At.Add(24 * time.Hour)
			w := badCert(l, fact.CertNotYetValid)
			w.Clock = fact.Clock{Synced: fact.No, Offset: 25 * time.Hour, Reference: "the edge's Date"}
			return w
		}},
		{name: "sni unmatched", want: ids("tls.sni-unmatched"), needs: outsideNeeded, world: func() *bt.World {
			return shake525(alert(443, 112, "unrecognized_name"), bt.Variant(alert(443, 112, "unrecognized_name"), fact.VariantOtherSNI))
		}},
		{name: "sni unmatched, other alert", want: ids("tls.sni-unmatched"), needs: outsideNeeded, world: func() *bt.World {
			w := shake525(alert(443, 80, "internal_error"), shaken(fact.VariantOtherSNI))
			w.Web[0].Sites[0].Names = []string{"other.example"}
			w.Web[0].Sites[0].Place = fact.Place{}
			return w
		}},
		{name: "plain http on 443", want: ids("tls.plain-http-on-port"), needs: outsideNeeded, world: func() *bt.World {
			x := bt.Fails(bt.Origin4, 443, originward.PhaseTLS, originward.TLSProtocolError, "")
			x.Fault.NotTLS, x.Fault.Sample, x.Fault.BytesRead = true, "HTTP/1.1 400 Bad Request", 64
			p := bt.OK(bt.Origin4, 443)
			p.TLS, p.Scheme = nil, "http"
			return shake525(x, bt.Variant(p, fact.VariantPlainHTTP))
		}},
		{name: "version", want: ids("tls.version-or-cipher"), needs: outsideNeeded, world: func() *bt.World {
			return shake525(alert(443, 70, "protocol_version"), bt.Variant(alert(443, 70, "protocol_version"), fact.VariantOtherSNI))
		}},
		{name: "cipher", want: ids("tls.version-or-cipher"), needs: outsideNeeded, world: func() *bt.World {
			w := shake525(alert(443, 40, "handshake_failure"), bt.Variant(alert(443, 40, "handshake_failure"), fact.VariantOtherSNI))
			w.Web[0].Sites[0].Ciphers = "DHE-RSA-AES256-SHA"
			return w
		}},
		{name: "client certificate", want: ids("tls.client-cert-required"), needs: outsideNeeded, world: func() *bt.World {
			w := bt.Healthy()
			x := bt.Status(bt.Origin4, 443, 400)
			x.TLS.ClientCert = fact.Yes
			x.Response.Title = "400 No required SSL certificate was sent"
			w.Swap(x)
			w.Web[0].Sites[0].ClientCert = "on"
			return w.Edge(400, "", "")
		}},
		{name: "large hello lost", want: ids("tls.clienthello-split"), needs: outsideNeeded, world: func() *bt.World {
			return shake525(cut, shaken(fact.VariantSmallHello), bt.Variant(cut, fact.VariantLargeHello), bt.Variant(cut, fact.VariantOtherSNI))
		}},
		{name: "name filtered", want: ids("tls.sni-filtered"), needs: []originward.Vantage{originward.Outside, originward.Host}, world: func() *bt.World {
			return shake525(cut, bt.Variant(cut, fact.VariantSmallHello), shaken(fact.VariantOtherSNI), bt.Variant(cut, fact.VariantLargeHello))
		}},
		{name: "upstream without name", want: ids("tls.upstream-sni-missing"), needs: hostNeeded, world: func() *bt.World {
			w := badGateway(bt.Healthy(), 502)
			w.Web[0].Upstreams = []fact.Upstream{{Name: "app.internal:8443", Scheme: "https", Addr: netip.MustParseAddrPort("10.0.0.7:8443"), SNI: fact.No, WithSNI: fact.Yes, Answers: fact.Yes, Place: fact.Place{File: "/etc/nginx/conf.d/shop.conf", Line: 8}}}
			w.Logs.Lines = []fact.LogLine{logLine(fact.LogUpstreamTLS, "SSL_do_handshake() failed (SSL: error:0A000458:SSL routines::tlsv1 unrecognized name) while SSL handshaking to upstream", "10.0.0.7:8443")}
			return w
		}},
	}
}

func logLine(kind, text, target string) fact.LogLine {
	return fact.LogLine{Kind: kind, Source: "/var/log/nginx/error.log", Program: "nginx", At: bt.At.Add(-time.Second), Count: 3, Text: text, Target: target}
}

// badGateway makes the origin's own proxy answer with a 5xx.
func badGateway(w *bt.World, code int) *bt.World {
	w.Swap(bt.Status(bt.Origin4, 443, code))
	w.Local = []fact.Exchange{bt.Status(bt.Origin4, 443, code)}
	return w.Edge(code, "", "")
}
