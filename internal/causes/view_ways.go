package causes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/cdn"
)

// way is one scheme and port that the edge uses towards origins.
type way struct {
	scheme string
	port   uint16
	used   fact.Tri
	main   bool
}

// ways are the schemes and ports that visitors lead to, by mode.
func (v *View) ways() []way {
	visitors := []way{{"https", 443, "", true}, {"http", 80, "", false}}
	httpsSeen := len(v.Hits) == 0 || slices.ContainsFunc(v.Hits, func(h Hit) bool { return h.Scheme != "http" })
	if !httpsSeen {
		visitors[0].main, visitors[1].main = false, true
	}
	for _, h := range v.Hits {
		if h.Port != 0 && h.Scheme != "" && cdnPort(h.Scheme, h.Port) {
			w := way{h.Scheme, h.Port, "", h.Scheme == "https" || !httpsSeen}
			if !slices.Contains(visitors, w) {
				visitors = append(visitors, w)
			}
		}
	}
	visitors = append(visitors, v.portsOfOrigin()...)
	if elsewhere := visitors[2:]; len(elsewhere) > 0 && !slices.ContainsFunc(v.Hits, defaultPort) {
		visitors = elsewhere // the site was asked for on ports of its own, and on no other
	}
	if v.askedElsewhere() {
		return nil // what direct exchanges met is all that is known of such a port
	}
	set, _, hasPort := v.Setting(func(s fact.CDNSettings) bool { return s.OriginPort > 0 && s.OriginPort < 65536 })
	var out []way
	for _, w := range visitors {
		s, p, ok := v.Mode.SSL.OriginScheme(w.scheme, w.port)
		if !ok {
			out = append(out, v.waysUnknown(w)...)
			continue
		}
		if hasPort {
			p = uint16(set.OriginPort) //nolint:gosec // bounded above
		}
		out = addWay(out, way{s, p, fact.Yes, w.main})
	}
	return out
}

// portsOfOrigin are the ways of a site that was looked at only from outside,
// without the edge, and on other ports than the usual two.
func (v *View) portsOfOrigin() []way {
	if len(v.Hits) > 0 || len(v.answers) > 0 {
		return nil
	}
	var out []way
	for _, x := range v.exchanges {
		w := way{x.Fact.Scheme, x.Fact.Target.Port(), "", true}
		// Only a port that was asked for is looked at in several ways.
		if x.Vantage == originward.Outside && !plainLook(x.Fact.Variant) && w.port != 80 && w.port != 443 && cdnPort(w.scheme, w.port) && !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	if len(out) > 0 {
		return out
	}
	for _, x := range v.exchanges {
		if x.Vantage != originward.Outside {
			continue
		}
		w := way{x.Fact.Scheme, x.Fact.Target.Port(), "", true}
		if w.port == 80 || w.port == 443 {
			return nil
		}
		if !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}

// askedElsewhere reports whether every visit was to ports that no CDN carries,
// and none was answered: the usual ports are then not what was asked for. An
// edge on a port of its own is asked there for the usual ports all the same, and
// its Host then names no port.
func (v *View) askedElsewhere() bool {
	for _, a := range v.answers {
		f := a.Fact
		same := strings.HasSuffix(f.Host, fmt.Sprintf(":%d", f.Target.Port())) || slices.ContainsFunc(v.exchanges, func(x fact.Item[fact.Exchange]) bool {
			return x.Vantage == originward.Outside && x.Fact.Target.Port() == f.Target.Port()
		})
		if f.Status != 0 || !failedVisit(f) || !same || cdn.PortSupported(cdn.Cloudflare, f.Scheme, f.Target.Port()) != fact.No {
			return false
		}
	}
	return len(v.answers) > 0 && len(v.Hits) == 0
}

// defaultPort reports whether a visit came to the usual port of its scheme.
func defaultPort(h Hit) bool { return h.Port == 443 || h.Port == 80 }

// waysUnknown are the ways of a visitor while the mode is not known.
func (v *View) waysUnknown(w way) []way {
	if to := v.wentTo("https"); to != "" && w.scheme == "https" && w.port == 443 {
		return []way{{to, visitorPort(to), fact.Yes, true}} // the edge says where its requests went
	}
	if w.scheme == "https" && w.port == 443 && !v.Mode.HTTPS.IsYes() {
		return []way{{"https", 443, fact.Unknown, true}, {"http", 80, fact.Unknown, true}}
	}
	w.used = fact.Yes
	return []way{w}
}

func addWay(ws []way, w way) []way {
	for i := range ws {
		if ws[i].scheme == w.scheme && ws[i].port == w.port {
			ws[i].main = ws[i].main || w.main
			if w.used == fact.Yes {
				ws[i].used = fact.Yes
			}
			return ws
		}
	}
	return append(ws, w)
}

// cdnPort reports whether a CDN carries the port to an origin as it is: a
// test edge on a port of its own does not tell the origin's port.
func cdnPort(scheme string, port uint16) bool {
	return cdn.PortSupported(cdn.Cloudflare, scheme, port) == fact.Yes
}
