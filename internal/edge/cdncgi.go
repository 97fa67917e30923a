package edge

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/originward/originward/internal/edge/errorpage"
)

// ownPrefix is the part of every site that the edge serves itself.
const ownPrefix = "/cdn-cgi/"

// ownPath answers requests below /cdn-cgi/: the trace, the preview of error pages,
// and 404 for the rest. They never reach an origin.
func (v *visit) ownPath() bool {
	if !bytes.HasPrefix(v.path, []byte(ownPrefix)) {
		return false
	}
	rest := string(v.path[len(ownPrefix):])
	if rest == "trace" {
		v.reply(200, v.traceText(),
			[2]string{"Content-Type", "text/plain"}, [2]string{"Cache-Control", "no-cache"},
			[2]string{"Access-Control-Allow-Origin", "*"}, [2]string{"X-Content-Type-Options", "nosniff"})
		return true
	}
	if rest == "challenge" {
		v.challengeAnswer()
		return true
	}
	if code, ok := strings.CutPrefix(rest, "error/"); ok {
		if n, err := strconv.Atoi(strings.TrimSuffix(code, "/")); err == nil && errorpage.Known(n) {
			v.page(n, 0)
			return true
		}
	}
	v.refuse(404)
	return true
}

// traceText is key=value lines about the visitor's way to the edge.
func (v *visit) traceText() []byte {
	tlsVersion, sni := "off", "off"
	if v.conn.https {
		tlsVersion, sni = v.conn.tls.version, "none"
		if v.conn.sni != "" {
			sni = "plaintext"
		}
	}
	var b bytes.Buffer
	line := func(k, val string) { fmt.Fprintf(&b, "%s=%s\n", k, oneLine(val)) }
	line("h", string(v.authority))
	line("ip", v.conn.text)
	line("ts", fmt.Sprintf("%d.%03d", v.began.Unix(), v.began.Nanosecond()/1e6))
	line("visit_scheme", v.conn.scheme())
	line("uag", string(v.head.Get("User-Agent")))
	line("colo", v.st.cfg.Colo)
	line("ray", string(v.rayID[:16]))
	line("http", strings.ToLower(v.proto.String()))
	place := "XX" // unknown
	if p := v.st.geo.Place(v.conn.addr); p != nil && p.Country != "" {
		place = p.Country
	}
	line("loc", place)
	line("tls", tlsVersion)
	line("sni", sni)
	if v.conn.tls.curve != "" {
		line("kex", v.conn.tls.curve)
	}
	return b.Bytes()
}

// oneLine keeps a header's value from adding lines of its own.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}
