package diagnose

import (
	"net/netip"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	bt "github.com/originward/originward/internal/causes/bundletest"
)

var (
	cdnNeeded     = []originward.Vantage{originward.CDN}
	outsideNeeded = []originward.Vantage{originward.Outside}
	edgeNeeded    = []originward.Vantage{originward.Edge}
)

// record replaces the CDN's records.
func record(w *bt.World, contents ...string) *bt.World {
	w.Records.Records = nil
	for _, c := range contents {
		t := "CNAME"
		if a, err := netip.ParseAddr(c); err == nil {
			t = "A"
			if a.Is6() {
				t = "AAAA"
			}
		}
		w.Records.Records = append(w.Records.Records, fact.CDNRecord{Type: t, Name: bt.Host, Content: c, Proxied: fact.Yes})
	}
	return w
}

func dnsCases() []broken {
	timeout := originward.ConnectionTimeout
	return []broken{
		{name: "stale address", want: ids("dns.stale-address"), needs: []originward.Vantage{originward.CDN, originward.Host}, world: func() *bt.World {
			w := record(bt.Healthy(), bt.Other4.String())
			w.SetDirect(bt.Timeout(bt.Other4, 80), bt.Timeout(bt.Other4, 443))
			return w.Visit(netip.AddrPortFrom(bt.Other4, 443), 522, originward.PhaseConnect, timeout)
		}},
		{name: "stale address, foreign tenant", want: ids("dns.stale-address"), needs: []originward.Vantage{originward.CDN, originward.Host}, world: func() *bt.World {
			w := record(bt.Healthy(), bt.Other4.String())
			w.SetDirect(bt.OK(bt.Other4, 80), bt.With(bt.OK(bt.Other4, 443), bt.Leaf("other"), fact.CertNameMismatch))
			return w.Visit(netip.AddrPortFrom(bt.Other4, 443), 526, originward.PhaseTLS, originward.TLSCertificateError)
		}},
		{name: "aaaa unserved", want: ids("dns.aaaa-unserved"), needs: hostNeeded, status: originward.StatusDegraded, world: func() *bt.World {
			dead := netip.MustParseAddr("2001:db8:a::dead")
			w := record(bt.Healthy(), bt.Origin4.String(), dead.String())
			w.Direct = append(w.Direct, bt.Timeout(dead, 443), bt.Timeout(dead, 80))
			for i := range 3 {
				w.Hit(8+i, netip.AddrPortFrom(dead, 443), bt.Egress6, 522, originward.PhaseConnect, timeout)
			}
			return w
		}},
		{name: "duplicate records", want: ids("dns.duplicate-records"), needs: []originward.Vantage{originward.CDN, originward.Outside}, status: originward.StatusDegraded, world: func() *bt.World {
			w := record(bt.Healthy(), bt.Origin4.String(), bt.Other4.String())
			w.Direct = append(w.Direct, bt.Timeout(bt.Other4, 80), bt.Timeout(bt.Other4, 443))
			for i := range 3 {
				w.Hit(8+i, netip.AddrPortFrom(bt.Other4, 443), bt.Egress[0], 522, originward.PhaseConnect, timeout)
			}
			return w
		}},
		{name: "updater failed", want: ids("dns.updater-failed"), needs: []originward.Vantage{originward.CDN, originward.Host}, world: func() *bt.World {
			w := record(bt.Healthy(), bt.Other4.String())
			w.SetDirect(bt.Timeout(bt.Other4, 80), bt.Timeout(bt.Other4, 443))
			w.Jobs.Jobs = []fact.Job{{Kind: "dyndns", Name: "ddclient", OK: fact.No, Target: bt.Host, Errors: []fact.Place{{File: "/var/log/ddclient.log", Line: 3, Text: "FAILED: updating shop.example: Invalid API token"}}}}
			return w.Visit(netip.AddrPortFrom(bt.Other4, 443), 522, originward.PhaseConnect, timeout)
		}},
		{name: "target unresolvable", want: ids("dns.target-unresolvable"), needs: []originward.Vantage{originward.CDN, originward.Outside}, world: func() *bt.World {
			w := record(bt.Healthy(), "gone.hosting.example").SetDirect()
			w.DNS = append(w.DNS, fact.DNS{Name: "gone.hosting.example", Role: "origin", Resolver: "198.51.100.53:53", RCode: "NXDOMAIN"})
			w.EdgeErr(530, 1016)
			for i := range w.Record.Items {
				w.Record.Items[i].Name, w.Record.Items[i].Phase, w.Record.Items[i].Fault = "gone.hosting.example", originward.PhaseResolve, originward.DNSError
			}
			return w
		}},
		{name: "proxy loops", want: ids("loop.proxy-resolves-to-cdn"), needs: hostNeeded, world: func() *bt.World {
			w := bt.Healthy()
			w.Web[0].Upstreams = []fact.Upstream{{Name: bt.Host, Scheme: "https", Resolved: []netip.Addr{bt.Front}, Loop: fact.Yes, Place: fact.Place{File: "/etc/nginx/conf.d/shop.conf", Line: 8}}}
			w.Edge(403, "", "")
			for i := range w.Visits {
				w.Visits[i].Error, w.Visits[i].EdgeMade = 1000, fact.Yes
				w.Record.Items[i].Error = 1000
			}
			return w
		}},
		{name: "placeholder", want: ids("dns.placeholder-without-route"), needs: cdnNeeded, world: func() *bt.World {
			a := netip.MustParseAddr("192.0.2.1")
			w := record(bt.Healthy(), a.String()).SetDirect(bt.Timeout(a, 80), bt.Timeout(a, 443))
			return w.Visit(netip.AddrPortFrom(a, 443), 522, originward.PhaseConnect, timeout)
		}},
		{name: "platform unclaimed", want: ids("platform.hostname-unclaimed"), needs: cdnNeeded, world: func() *bt.World {
			w := record(bt.Healthy(), "shop.pages.dev").SetDirect()
			w.Records.Platform = fact.No
			w.Record.Items = nil
			w.Edge(522, "", "")
			w.Record.Items = nil
			return w
		}},
	}
}

func cdnCases() []broken {
	return []broken{
		{name: "mode too low", want: ids("cdn.ssl-mode-too-low"), needs: []originward.Vantage{originward.CDN, originward.Outside}, world: func() *bt.World {
			w := bt.Healthy()
			w.Settings.SSL = originward.SSLFlexible
			x := bt.Status(bt.Origin4, 80, 301)
			x.Response.Header["location"] = "https://shop.example/"
			w.Swap(x, bt.Variant(x, fact.VariantFlexible))
			w.Visit(netip.AddrPortFrom(bt.Origin4, 80), 301, "", "")
			for i := range w.Visits {
				w.Visits[i].RedirLoop = fact.Yes
			}
			return w
		}},
		{name: "mode too low, no plain http", want: ids("cdn.ssl-mode-too-low"), needs: []originward.Vantage{originward.CDN, originward.Outside}, world: httpsOnly},
		{name: "rule blocks", want: ids("cdn.rule-blocks"), needs: []originward.Vantage{originward.CDN, originward.Edge}, world: func() *bt.World {
			w := bt.Healthy().EdgeErr(403, 0)
			for i := range w.Record.Items {
				w.Record.Items[i].Rule = "rule1"
			}
			return w.Add(originward.CDN, fact.CDNRules{Blocks: fact.Yes, Evaluated: []fact.RuleMatch{{ID: "rule1", Kind: "custom", Expression: "ip.src in {198.51.100.0/24}", Action: "block", Matches: fact.Yes}}})
		}},
		{name: "record grey", want: ids("cdn.record-grey", "listener.none"), world: func() *bt.World {
			w := stopNginx(bt.Healthy())
			w.DNS[0].A, w.DNS[0].InCDN, w.DNS[0].Colour = []netip.Addr{bt.Origin4}, nil, "grey"
			w.Records.Records[0].Proxied = fact.No
			w.EdgeErr(409, 1001)
			return w
		}},
		{name: "port unsupported", want: ids("cdn.port-unsupported"), needs: []originward.Vantage{originward.Edge, originward.Outside}, world: func() *bt.World {
			w := bt.Healthy()
			w.Visits = []fact.EdgeAnswer{{Target: netip.AddrPortFrom(bt.Front, 9443), Scheme: "https", Host: bt.Host, Failure: &fact.Fault{Phase: originward.PhaseConnect, Type: originward.ConnectionTimeout, Ended: "timeout", AfterMS: 3000}}}
			w.Record.Items = nil
			x := bt.OK(bt.Origin4, 9443)
			w.Direct = append(w.Direct, x)
			return w
		}},
		{name: "port unsupported, nothing on 443", want: ids("cdn.port-unsupported"), needs: []originward.Vantage{originward.Edge, originward.Outside}, world: func() *bt.World {
			w := noSocket(bt.Healthy(), 443)
			w.Listeners.Sockets = append(w.Listeners.Sockets, bt.Sock("0.0.0.0", 9443, "nginx"))
			w.Web[0].Listens = w.Web[0].Listens[:1]
			w.Web[0].Sites[0].Listens = w.Web[0].Listens
			w.Local = []fact.Exchange{bt.OK(bt.Origin4, 80), bt.Refused(bt.Origin4, 443)}
			w.Visits = []fact.EdgeAnswer{{Target: netip.AddrPortFrom(bt.Front, 9443), Scheme: "https", Host: bt.Host + ":9443", Failure: &fact.Fault{Phase: originward.PhaseConnect, Type: originward.ConnectionRefused, AfterMS: 1}}}
			w.Record.Items = nil
			w.Direct = []fact.Exchange{bt.OK(bt.Origin4, 9443)}
			return w
		}},
		{name: "origin timeout", want: ids("cdn.origin-timeout"), needs: edgeNeeded, world: func() *bt.World {
			w := bt.Healthy()
			w.Swap(bt.Fails(bt.Origin4, 443, originward.PhaseFirstByte, originward.HTTPResponseTimeout, ""))
			w.Local = []fact.Exchange{bt.Fails(bt.Origin4, 443, originward.PhaseFirstByte, originward.HTTPResponseTimeout, "")}
			return w.Edge(524, originward.PhaseFirstByte, originward.HTTPResponseTimeout)
		}},
		{name: "cached error", want: ids("cdn.cached-error"), needs: edgeNeeded, world: func() *bt.World {
			w := bt.Healthy().Edge(500, "", "")
			for i := range w.Visits {
				w.Visits[i].Cache = "HIT"
			}
			w.Record.Items = nil
			return w
		}},
	}
}

// httpsOnly is an origin without plain http under a mode that needs it.
func httpsOnly() *bt.World {
	w := noSocket(bt.Healthy(), 80).Swap(bt.Refused(bt.Origin4, 80))
	w.Settings.SSL = originward.SSLFlexible
	w.Local = []fact.Exchange{bt.OK(bt.Origin4, 443), bt.Refused(bt.Origin4, 80)}
	w.Web[0].Listens = w.Web[0].Listens[1:]
	w.Web[0].Sites[0].Listens = w.Web[0].Listens
	return w.Visit(netip.AddrPortFrom(bt.Origin4, 80), 521, originward.PhaseConnect, originward.ConnectionRefused)
}
