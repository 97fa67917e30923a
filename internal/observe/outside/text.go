package outside

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
)

// maxText bounds a sentence of evidence.
const maxText = 300

func exchangeHost(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// changed says in words what a variant changes.
var changed = map[string]string{
	fact.VariantOtherSNI:    "with another server name",
	fact.VariantNoSNI:       "without a server name",
	fact.VariantSmallHello:  "with a small ClientHello",
	fact.VariantLargeHello:  "with a large ClientHello (post-quantum share)",
	fact.VariantHTTP1:       "over HTTP/1.1 only",
	fact.VariantHTTP2:       "over HTTP/2 only",
	fact.VariantTLS12:       "with TLS 1.2 at most",
	fact.VariantTLS13:       "with TLS 1.3 only",
	fact.VariantPlainHTTP:   "in plain HTTP",
	fact.VariantNoCookie:    "without cookies",
	fact.VariantClientCert:  "with the edge's client certificate",
	fact.VariantOtherHost:   "with a Host it cannot know",
	fact.VariantReuse:       "on a connection that had served before",
	fact.VariantSecondVisit: "a second time",
	fact.VariantTCP:         "connecting only",
	fact.VariantFlexible:    "in plain HTTP for a visitor on https",
	fact.VariantBare:        "without the edge's header fields",
	fact.VariantHead:        "for the head only",
}

// Text is one sentence about an exchange for a person.
func Text(x fact.Exchange) string {
	who := x.Target.String()
	if x.Variant == fact.VariantReuse {
		return escape.Line(who+" "+idled(x), maxText)
	}
	if c := changed[x.Variant]; c != "" {
		who += ", asked " + c + ","
	}
	return escape.Line(who+" "+outcome(x), maxText)
}

// idled says what became of a connection that was left alone.
func idled(x fact.Exchange) string {
	switch after := ms(x.IdleMS); {
	case !x.Reused:
		return fmt.Sprintf("closes a connection that has idled for %s, or does not keep connections", after)
	case x.Fault != nil:
		return fmt.Sprintf("does not answer a second request on a connection that has idled for %s: %s", after, detail(*x.Fault))
	default:
		return fmt.Sprintf("answers a second request on a connection that has idled for %s", after)
	}
}

func outcome(x fact.Exchange) string {
	if x.Fault != nil {
		return failure(x, *x.Fault)
	}
	var parts []string
	switch {
	case x.Response != nil:
		parts = append(parts, fmt.Sprintf("answers %d over %s in %s", x.Response.Status, x.Response.Proto, took(x)))
	case x.TLS != nil && x.TLS.Complete:
		parts = append(parts, fmt.Sprintf("completes the TLS %s handshake in %s", x.TLS.Version, took(x)))
	default:
		parts = append(parts, "accepts the connection in "+took(x))
	}
	if x.Response != nil && x.Response.Header["location"] != "" {
		parts = append(parts, "redirecting to "+x.Response.Header["location"])
	}
	if x.TLS != nil && len(x.TLS.Reasons) > 0 {
		parts = append(parts, "its certificate would be refused in the strict modes: "+reasons(x.TLS.Reasons))
	}
	return strings.Join(parts, "; ")
}

func failure(x fact.Exchange, f fact.Fault) string {
	after := ms(f.AfterMS)
	switch f.Phase {
	case originward.PhaseConnect:
		switch f.Type {
		case originward.ConnectionRefused:
			return "refuses the connection after " + after
		case originward.ConnectionTimeout:
			return "does not answer: no SYN+ACK within " + after
		case originward.DestinationIPUnroutable:
			return fmt.Sprintf("cannot be reached: %s after %s", errno(f), after)
		}
	case originward.PhaseTLS:
		return handshakeFailure(f, after)
	case originward.PhaseWrite, originward.PhaseFirstByte, originward.PhaseHeaders:
		return requestFailure(f, after)
	case originward.PhaseBody:
		return fmt.Sprintf("answers %d and breaks off in the body after %s: %s", status(x), after, detail(f))
	}
	return fmt.Sprintf("fails in phase %s after %s: %s", f.Phase, after, detail(f))
}

func handshakeFailure(f fact.Fault, after string) string {
	switch {
	case f.NotTLS && f.Sample != "":
		return fmt.Sprintf("answers the TLS handshake with something else: %q", f.Sample)
	case f.NotTLS:
		return "answers the TLS handshake with something that is not TLS"
	case f.Type == originward.TLSAlertReceived:
		return fmt.Sprintf("ends the TLS handshake with alert %s (%d)", f.AlertName, f.Alert-1000)
	case f.Type == originward.ConnectionTimeout, f.Type == originward.ConnectionReadTimeout, f.Errno == "ETIMEDOUT":
		return "accepts the connection and does not answer the TLS handshake within " + after
	case f.Errno == "ECONNRESET":
		return "resets the connection during the TLS handshake"
	}
	return fmt.Sprintf("fails in the TLS handshake after %s: %s", after, detail(f))
}

func requestFailure(f fact.Fault, after string) string {
	switch f.Type {
	case originward.HTTPResponseTimeout, originward.ConnectionReadTimeout:
		return "accepts the request and sends no answer within " + after
	case originward.ConnectionTimeout:
		return "accepts the connection and does not acknowledge the request within " + after
	case originward.ConnectionTerminated, originward.HTTPResponseIncomplete:
		how := "closes"
		if f.Errno == "ECONNRESET" {
			how = "resets"
		}
		if f.BytesRead == 0 {
			return fmt.Sprintf("%s the connection without a response after %s", how, after)
		}
		return fmt.Sprintf("%s the connection after %d bytes of a response", how, f.BytesRead)
	case originward.HTTPResponseHeaderSection:
		return "sends a response head that is larger than an edge accepts"
	}
	return fmt.Sprintf("sends no usable response: %s", detail(f))
}

func detail(f fact.Fault) string {
	if f.Detail != "" {
		return f.Detail
	}
	return string(f.Type)
}

func errno(f fact.Fault) string {
	switch f.Errno {
	case "EHOSTUNREACH":
		return "EHOSTUNREACH (host unreachable or prohibited)"
	case "ENETUNREACH":
		return "ENETUNREACH (network unreachable)"
	case "EACCES":
		return "EACCES (administratively prohibited)"
	case "":
		return detail(f)
	}
	return f.Errno
}

func status(x fact.Exchange) int {
	if x.Response == nil {
		return 0
	}
	return x.Response.Status
}

func reasons(rs []fact.CertReason) string {
	words := make([]string, len(rs))
	for i, r := range rs {
		words[i] = strings.ReplaceAll(string(r), "_", " ")
	}
	return strings.Join(words, ", ")
}

// took is the time that the phases took together.
func took(x fact.Exchange) string {
	var sum float64
	for _, p := range x.Phases {
		sum += p.MS
	}
	return ms(sum)
}

// ms writes milliseconds as a person reads them.
func ms(v float64) string {
	switch {
	case v >= 1000:
		return fmt.Sprintf("%.1f s", v/1000)
	case v >= 10:
		return fmt.Sprintf("%.0f ms", v)
	}
	return fmt.Sprintf("%.1f ms", v)
}
