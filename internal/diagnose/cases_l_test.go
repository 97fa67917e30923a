package diagnose

import (
	"net/netip"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	bt "github.com/originward/originward/internal/causes/bundletest"
)

// rareCases are causes that take another vendor's edge, a worker, a second
// look over minutes, or a container beside the proxy.
func rareCases() []broken {
	edgeOrOutside := []originward.Vantage{originward.Edge}
	return []broken{
		{name: "container cut off from the host", want: ids("firewall.container-to-host"), needs: hostNeeded, world: func() *bt.World {
			w := badGateway(bt.Healthy(), 504)
			w.Logs.Lines = []fact.LogLine{
				{Kind: fact.LogBlockedSYN, Source: "kernel", At: bt.At, Count: 4, Text: "[UFW BLOCK] IN=docker0 OUT= SRC=172.17.0.2 DST=172.17.0.1 PROTO=TCP SPT=50000 DPT=3000 SYN"},
				logLine(fact.LogUpstreamTimeout, "upstream timed out (110: Connection timed out) while connecting to upstream", "http://172.17.0.1:3000/"),
			}
			return w
		}},
		{name: "another vendor's scheme", want: ids("cdn.protocol-policy"), needs: cdnNeeded, world: func() *bt.World {
			w := noSocket(bt.Healthy(), 80).Swap(bt.Refused(bt.Origin4, 80)).Edge(502, "", "")
			w.Settings.SSL, w.Record.Items = originward.SSLFlexible, nil
			for i := range w.Visits {
				w.Visits[i].CDN, w.Visits[i].EdgeMade = "cloudfront", fact.Yes
			}
			w.Listeners.Complete, w.Local = "", nil
			return w
		}},
		{name: "worker fetches itself", want: ids("cdn.worker-self-fetch"), stands: originward.Likely, needs: cdnNeeded, world: func() *bt.World {
			return worker(record(bt.Healthy(), "100::"), 522)
		}},
		{name: "worker on another port", want: ids("cdn.worker-port"), stands: originward.Likely, needs: cdnNeeded, world: func() *bt.World {
			w := worker(bt.Healthy(), 522)
			w.Direct = append(w.Direct, bt.OK(bt.Origin4, 8443))
			return w
		}},
		{name: "faulty connector", want: ids("tunnel.connector-bug"), stands: originward.Likely, needs: hostNeeded, world: func() *bt.World {
			w := record(bt.Healthy(), "6ff42ae2-765d-4adf-8112-31c55c1551ef.cfargotunnel.com").SetDirect()
			w.Web, w.Services.Services, w.Local = nil, nil, nil
			return w.EdgeErr(502, 0).Add(originward.Host, fact.Tunnel{Running: fact.Yes, ID: "6ff42ae2-765d-4adf-8112-31c55c1551ef", Ready: fact.Yes, Conns: 2, Errors: []fact.Place{{Text: "ERR panic: runtime error"}}})
		}},
		{name: "deploy without draining", want: ids("backend.rollout-drain"), stands: originward.Likely, needs: hostNeeded, status: originward.StatusDegraded, world: func() *bt.World {
			u := refusedUpstream()
			u.Answers, u.Errno, u.Listener = fact.Yes, "", fact.Yes
			w := upstream(edgeHalf(bt.Healthy(), 502, ""), u)
			for i := range w.Visits {
				w.Visits[i].Phase, w.Record.Items[i].Phase = "", ""
			}
			w.Services.Services = append(w.Services.Services, fact.Service{Kind: "app", Role: "backend", Name: "shop", State: "running", Since: bt.At.Add(-time.Minute)})
			w.Logs.Lines = []fact.LogLine{logLine(fact.LogUpstreamRefused, "connect() failed (111: Connection refused) while connecting to upstream", "http://127.0.0.1:3000/")}
			return w
		}},
		{name: "purged cache", want: ids("capacity.origin-stampede"), stands: originward.Likely, needs: cdnNeeded, world: func() *bt.World {
			w := badGateway(bt.Healthy(), 503)
			w.Load.BusyPct = 100
			return w.Add(originward.CDN, fact.CDNEvents{Events: []fact.CDNEvent{{At: bt.At.Add(-3 * time.Minute), Kind: "audit", Action: "purge_everything"}}})
		}},
		{name: "nothing answers, the trace ends early", want: ids("path.provider-outage"), stands: originward.Likely, needs: outsideNeeded, world: func() *bt.World {
			w := dropped(bt.Healthy()).Without(originward.Host)
			return w.Add(originward.Outside, fact.Path{Target: netip.AddrPortFrom(bt.Origin4, 443), Method: "tcp", Reached: fact.No, Hops: []fact.Hop{{TTL: 1, Addr: netip.MustParseAddr("198.51.100.65"), ICMP: "host-unreachable"}}})
		}},
		{name: "loss for some edges", want: ids("path.transit-loss"), stands: originward.Likely, needs: outsideNeeded, status: originward.StatusDegraded, world: func() *bt.World {
			w := edgeHalf(bt.Healthy(), 522, originward.ConnectionTimeout)
			return w.Add(originward.Outside, fact.Path{Target: netip.AddrPortFrom(bt.Origin4, 443), Method: "tcp", Reached: fact.No, Hops: []fact.Hop{{TTL: 1}}})
		}},
		{name: "no certificate at the edge", want: ids("lookalike.edge-cert-missing"), needs: edgeOrOutside, world: func() *bt.World {
			w := bt.Healthy()
			w.Settings.EdgeCert = fact.No
			w.Record.Items = nil
			w.Visits = []fact.EdgeAnswer{{Target: netip.AddrPortFrom(bt.Front, 443), Scheme: "https", Host: bt.Host, Failure: &fact.Fault{Phase: originward.PhaseTLS, Type: originward.TLSAlertReceived, Alert: 1040, AlertName: "handshake_failure"}}}
			return w
		}},
		{name: "another vendor's 521", want: ids("lookalike.other-cdn-code"), needs: edgeOrOutside, world: func() *bt.World {
			w := bt.Healthy().Edge(521, "", "")
			w.Record.Items = nil
			for i := range w.Visits {
				w.Visits[i].CDN = "vercel"
			}
			return w
		}},
	}
}

// worker is a site whose name a worker takes, and which answers with a code at
// once.
func worker(w *bt.World, code int) *bt.World {
	w.Zone.Provider = "cloudflare" // an edge of our own has no workers
	w.Records.Covered, w.Records.CoveredBy = fact.Yes, "worker shop"
	w.Edge(code, originward.PhaseConnect, originward.ConnectionTimeout)
	w.Record.Items = nil
	return w
}
