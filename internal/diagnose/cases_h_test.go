package diagnose

import (
	"net/netip"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	bt "github.com/originward/originward/internal/causes/bundletest"
)

func confLine(n int) fact.Place { return fact.Place{File: "/etc/nginx/conf.d/shop.conf", Line: n} }

func httpCases() []broken {
	return []broken{
		{name: "444", want: ids("http.close-without-response"), needs: hostNeeded, world: func() *bt.World {
			w := bt.Healthy().Swap(bt.Empty(bt.Origin4, 443))
			p := confLine(5)
			w.Web[0].Sites[0].Close = &p
			return w.Edge(520, originward.PhaseFirstByte, originward.ConnectionTerminated)
		}},
		{name: "empty, from outside only", want: ids("http.close-without-response"), stands: originward.Likely, needs: hostNeeded, world: func() *bt.World {
			return bt.Healthy().Swap(bt.Empty(bt.Origin4, 443)).Edge(520, originward.PhaseFirstByte, originward.ConnectionTerminated).Without(originward.Host)
		}},
		{name: "response head too large", want: ids("http.header-too-large"), needs: outsideNeeded, world: func() *bt.World {
			w := bt.Healthy().Swap(bt.Fails(bt.Origin4, 443, originward.PhaseHeaders, originward.HTTPResponseHeaderSection, ""))
			return w.Edge(520, originward.PhaseHeaders, originward.HTTPResponseHeaderSection)
		}},
		{name: "upstream header too big", want: ids("http.header-too-large"), needs: hostNeeded, world: func() *bt.World {
			w := badGateway(bt.Healthy(), 502)
			w.Logs.Lines = []fact.LogLine{logLine(fact.LogUpstreamHeader, "upstream sent too big header while reading response header from upstream", "")}
			return w
		}},
		{name: "http/2 broken", want: ids("http.h2-origin"), needs: outsideNeeded, world: func() *bt.World {
			x := bt.Fails(bt.Origin4, 443, originward.PhaseFirstByte, originward.HTTPProtocolError, "")
			x.TLS.ALPN = "h2"
			w := bt.Healthy().Swap(x, bt.Variant(bt.OK(bt.Origin4, 443), fact.VariantHTTP1))
			return w.Edge(520, originward.PhaseFirstByte, originward.HTTPProtocolError)
		}},
		{name: "keep-alive race", want: ids("http.keepalive-race"), needs: hostNeeded, status: originward.StatusDegraded, world: func() *bt.World {
			w := edgeHalf(bt.Healthy(), 520, originward.ConnectionTerminated)
			for i := range w.Record.Items {
				x := &w.Record.Items[i]
				if x.Code == 520 {
					x.Reused, x.Phase = true, originward.PhaseFirstByte
				}
			}
			for i := range w.Visits {
				if w.Visits[i].Status == 520 {
					w.Visits[i].Phase = originward.PhaseFirstByte
				}
			}
			return w
		}},
		{name: "proxy protocol", want: ids("http.proxy-protocol"), needs: hostNeeded, world: func() *bt.World {
			w := shake525(bt.Fails(bt.Origin4, 443, originward.PhaseTLS, originward.ConnectionTerminated, ""))
			w.Web[0].Listens[1].Proxy = true
			w.Logs.Lines = []fact.LogLine{logLine(fact.LogProxyProtocol, `broken header: "\x16\x03\x01" while reading PROXY protocol`, "")}
			return w
		}},
		{name: "nested timeouts", want: ids("http.nested-timeouts"), needs: hostNeeded, world: func() *bt.World {
			w := badGateway(bt.Healthy(), 504)
			for i := range w.Visits {
				w.Visits[i].MS = 60040
			}
			w.Web[0].Timeouts = append(w.Web[0].Timeouts, fact.Setting{Name: "proxy_read_timeout", Value: "60s", Num: 60, Place: confLine(12)})
			w.Web[0].Upstreams = []fact.Upstream{{Name: "127.0.0.1:3000", Scheme: "http", Addr: netip.MustParseAddrPort("127.0.0.1:3000"), Answers: fact.Yes, Listener: fact.Yes, Place: confLine(8)}}
			w.Logs.Lines = []fact.LogLine{logLine(fact.LogUpstreamTimeout, "upstream timed out (110: Connection timed out) while reading response header from upstream", "http://127.0.0.1:3000/")}
			return w
		}},
	}
}

// upstream gives the site a backend.
func upstream(w *bt.World, u fact.Upstream) *bt.World {
	u.Place = confLine(8)
	if u.Scheme == "" {
		u.Scheme = "http"
	}
	w.Web[0].Upstreams = []fact.Upstream{u}
	return w
}

func refusedUpstream() fact.Upstream {
	return fact.Upstream{Name: "127.0.0.1:3000", Addr: netip.MustParseAddrPort("127.0.0.1:3000"), Answers: fact.No, Errno: "ECONNREFUSED", Listener: fact.No, Local: fact.Yes}
}

func backendCases() []broken {
	return []broken{
		{name: "backend down", want: ids("backend.down"), needs: hostNeeded, world: func() *bt.World {
			w := upstream(badGateway(bt.Healthy(), 502), refusedUpstream())
			w.Logs.Lines = []fact.LogLine{logLine(fact.LogUpstreamRefused, "connect() failed (111: Connection refused) while connecting to upstream", "http://127.0.0.1:3000/")}
			return w
		}},
		{name: "backend socket dead", want: ids("backend.down"), needs: hostNeeded, world: func() *bt.World {
			w := upstream(badGateway(bt.Healthy(), 502), fact.Upstream{Name: "unix:/run/php/php8.2-fpm.sock", Scheme: "fastcgi", Socket: "/run/php/php8.2-fpm.sock", Answers: fact.No, Errno: "ENOENT", Local: fact.Yes})
			w.Services.Services = append(w.Services.Services, fact.Service{Kind: "php-fpm", Role: "backend", Unit: "php8.2-fpm.service", State: "stopped"})
			return w
		}},
		{name: "backend crashed", want: ids("backend.crashed"), needs: hostNeeded, world: func() *bt.World {
			w := bt.Healthy().Swap(bt.Empty(bt.Origin4, 443))
			w.Logs.Lines = []fact.LogLine{logLine(fact.LogChildCrash, "worker process 123 exited on signal 11", "")}
			return w.Edge(520, originward.PhaseFirstByte, originward.ConnectionTerminated)
		}},
		{name: "backend on another port", want: ids("backend.wrong-port"), needs: hostNeeded, world: func() *bt.World {
			w := upstream(badGateway(bt.Healthy(), 502), refusedUpstream())
			w.Listeners.Sockets = append(w.Listeners.Sockets, bt.Sock("127.0.0.1", 3001, "node"))
			return w
		}},
		{name: "backend speaks tls", want: ids("backend.wrong-port"), needs: hostNeeded, world: func() *bt.World {
			u := refusedUpstream()
			u.Answers, u.Errno, u.Listener, u.Speaks = fact.Yes, "", fact.Yes, "tls"
			return upstream(badGateway(bt.Healthy(), 502), u)
		}},
		{name: "stale upstream name", want: ids("backend.stale-upstream-dns"), needs: hostNeeded, world: func() *bt.World {
			w := upstream(badGateway(bt.Healthy(), 502), fact.Upstream{Name: "app:3000", Addr: netip.MustParseAddrPort("172.18.0.5:3000"), Resolved: []netip.Addr{netip.MustParseAddr("172.18.0.5")}, Answers: fact.Yes, Runtime: fact.No, Local: fact.Yes})
			w.Logs.Lines = []fact.LogLine{logLine(fact.LogUpstreamRefused, "connect() failed (113: No route to host) while connecting to upstream", "http://172.18.0.3:3000/")}
			return w
		}},
		{name: "wrong resolution", want: ids("backend.wrong-resolution"), needs: hostNeeded, world: func() *bt.World {
			return upstream(badGateway(bt.Healthy(), 502), fact.Upstream{Name: "app", Resolved: []netip.Addr{netip.MustParseAddr("93.184.216.34")}, Addr: netip.MustParseAddrPort("93.184.216.34:80"), Answers: fact.No, Errno: "ETIMEDOUT", Local: fact.No})
		}},
		{name: "frozen server", want: ids("backend.proxy-wedged"), needs: hostNeeded, world: func() *bt.World {
			x := bt.Fails(bt.Origin4, 443, originward.PhaseTLS, originward.ConnectionTimeout, "ETIMEDOUT")
			w := bt.Healthy().Swap(bt.Fails(bt.Origin4, 443, originward.PhaseFirstByte, originward.HTTPResponseTimeout, ""))
			w.Local = []fact.Exchange{x}
			w.Services.Services[0].Stopped = fact.Yes
			return w.Edge(524, originward.PhaseFirstByte, originward.HTTPResponseTimeout)
		}},
		{name: "selinux", want: ids("backend.selinux-denied"), needs: hostNeeded, world: func() *bt.World {
			u := refusedUpstream()
			u.Answers, u.Errno, u.Listener = fact.Yes, "", fact.Yes
			w := upstream(badGateway(bt.Healthy(), 502), u)
			w.Logs.Lines = []fact.LogLine{
				logLine(fact.LogUpstreamDenied, "connect() to 127.0.0.1:3000 failed (13: Permission denied) while connecting to upstream", "127.0.0.1:3000"),
				logLine(fact.LogAVC, `avc: denied { name_connect } for comm="nginx" dest=3000`, ""),
			}
			return w
		}},
	}
}
