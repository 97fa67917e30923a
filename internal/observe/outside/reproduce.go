package outside

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
)

// handshakeFlags are what openssl s_client needs to repeat a variant.
var handshakeFlags = map[string][]string{
	fact.VariantOtherSNI:   {"-servername", "neutral.invalid"},
	fact.VariantNoSNI:      {"-noservername"},
	fact.VariantSmallHello: {"-groups", "X25519:P-256"},
	fact.VariantLargeHello: {"-groups", "X25519MLKEM768:X25519"}, // OpenSSL 3.5 and later
	fact.VariantTLS12:      {"-no_tls1_3"},
	fact.VariantTLS13:      {"-tls1_3"},
}

// Reproduce is a shell command that shows an exchange again.
func Reproduce(x fact.Exchange) string {
	at := x.Target
	if x.Variant == fact.VariantTCP || x.Fault != nil && !x.Connected() {
		return escape.Shell("nc", "-vz", "-w", "5", at.Addr().String(), fmt.Sprint(at.Port()))
	}
	if flags, ok := handshakeFlags[x.Variant]; ok {
		if len(flags) == 2 && flags[0] == "-groups" && x.SNI != "" {
			flags = append([]string{"-servername", x.SNI}, flags...)
		}
		return escape.Shell(append([]string{"openssl", "s_client", "-connect", at.String()}, flags...)...) + " </dev/null"
	}
	return curl(x)
}

func curl(x fact.Exchange) string {
	host, scheme := hostOf(x), x.Scheme
	if x.Variant == fact.VariantPlainHTTP {
		scheme = "http"
	}
	args := []string{"curl", "-sv", "-o", "/dev/null", "--max-time", "20"}
	if scheme == "https" {
		args = append(args, "-k") // an edge in mode full does not check either
	}
	switch x.Variant {
	case fact.VariantHTTP1:
		args = append(args, "--http1.1")
	case fact.VariantHTTP2:
		args = append(args, "--http2")
	case fact.VariantOtherHost:
		args = append(args, "-H", "Host: "+x.Host)
	case fact.VariantFlexible:
		args = append(args, "-H", "X-Forwarded-Proto: https", "-H", `CF-Visitor: {"scheme":"https"}`)
	case fact.VariantHead:
		args = append(args, "-I")
	case fact.VariantClientCert:
		args = append(args, "--cert", "client.pem")
	}
	resolve := fmt.Sprintf("%s:%d:%s", host, at(x).Port(), bracket(at(x).Addr()))
	url := scheme + "://" + host + portSuffix(scheme, at(x).Port()) + pathOf(x)
	return escape.Shell(append(args, "--resolve", resolve, url)...)
}

func at(x fact.Exchange) netip.AddrPort { return x.Target }

// hostOf is the name that the URL carries: the server name, or the Host without
// its port. A Host that was changed on purpose is given as a header instead.
func hostOf(x fact.Exchange) string {
	if x.SNI != "" {
		return x.SNI
	}
	if h, _, err := net.SplitHostPort(x.Host); err == nil {
		return h
	}
	if x.Host == "" {
		return bracket(x.Target.Addr())
	}
	return x.Host
}

func bracket(a netip.Addr) string {
	if a.Is6() {
		return "[" + a.String() + "]"
	}
	return a.String()
}

func portSuffix(scheme string, port uint16) string {
	if scheme == "http" && port == 80 || scheme == "https" && port == 443 {
		return ""
	}
	return fmt.Sprintf(":%d", port)
}

func pathOf(x fact.Exchange) string {
	if !strings.HasPrefix(x.Path, "/") {
		return "/"
	}
	return x.Path
}

// reproduceDNS is a shell command that asks a server again.
func reproduceDNS(d fact.DNS) string {
	args := []string{"dig"}
	if ap, err := netip.ParseAddrPort(d.Resolver); err == nil {
		args = append(args, "@"+ap.Addr().String())
		if ap.Port() != 53 {
			args = append(args, "-p", fmt.Sprint(ap.Port()))
		}
	} else if d.Resolver != "system" {
		return escape.Shell("grep", "-w", "-F", d.Name, "/etc/hosts")
	}
	return escape.Shell(append(args, d.Name, "A", d.Name, "AAAA")...)
}
