package diagnose

import (
	"net/netip"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	bt "github.com/originward/originward/internal/causes/bundletest"
)

func capacityCases() []broken {
	return []broken{
		{name: "conntrack full", want: ids("capacity.conntrack-full"), needs: hostNeeded, world: func() *bt.World {
			w := dropped(bt.Healthy())
			w.Counters.Conntrack = fact.Conntrack{Used: fact.Yes, Count: 1000, Max: 1000, DropGrowth: 12}
			return w
		}},
		{name: "accept queue full", want: ids("capacity.accept-backlog"), needs: hostNeeded, world: func() *bt.World {
			w := dropped(bt.Healthy())
			for i := range w.Listeners.Sockets {
				s := &w.Listeners.Sockets[i]
				s.Queue, s.Backlog, s.Waiting, s.Drops = 129, 128, fact.Yes, 40
			}
			w.Counters.Growth = map[string]uint64{"ListenOverflows": 7, "ListenDrops": 7}
			w.Local = nil
			return w
		}},
		{name: "workers exhausted", want: ids("capacity.workers-exhausted"), needs: hostNeeded, world: func() *bt.World {
			w := badGateway(bt.Healthy(), 504)
			w.Logs.Lines = []fact.LogLine{logLine(fact.LogWorkersFull, "server reached pm.max_children setting (5), consider raising it", "")}
			w.Logs.Lines[0].Program = "php-fpm"
			return w
		}},
		{name: "descriptors", want: ids("capacity.fd-limit"), needs: hostNeeded, world: func() *bt.World {
			w := badGateway(bt.Healthy(), 500)
			w.Logs.Lines = []fact.LogLine{logLine(fact.LogTooManyFiles, "accept4() failed (24: Too many open files)", "")}
			return w
		}},
		{name: "source ports", want: ids("capacity.ephemeral-ports"), needs: hostNeeded, world: func() *bt.World {
			w := badGateway(bt.Healthy(), 502)
			w.Counters.PortRange = [2]int{40000, 40099}
			w.Counters.PortsInUse = []fact.TupleUse{{Local: netip.MustParseAddr("127.0.0.1"), Remote: netip.MustParseAddrPort("127.0.0.1:3000"), Count: 99}}
			w.Logs.Lines = []fact.LogLine{logLine(fact.LogUpstreamNoPort, "connect() to 127.0.0.1:3000 failed (99: Cannot assign requested address)", "127.0.0.1:3000")}
			return w
		}},
		{name: "oom", want: ids("capacity.oom"), needs: hostNeeded, world: func() *bt.World {
			w := stopNginx(bt.Healthy())
			w.Services.Services[0].State, w.Services.Services[0].Result = "failed", "oom-kill"
			return w
		}},
		{name: "disk full", want: ids("capacity.disk-full"), needs: hostNeeded, world: func() *bt.World {
			w := badGateway(bt.Healthy(), 500)
			w.Load.Disks[0].Avail = 0
			w.Logs.Lines = []fact.LogLine{logLine(fact.LogDiskFull, "write() failed (28: No space left on device)", "")}
			return w
		}},
		{name: "flood", want: ids("capacity.flood"), stands: originward.Likely, needs: hostNeeded, world: func() *bt.World {
			w := dropped(bt.Healthy())
			w.Counters.SynRecv = 900
			return w
		}},
		{name: "tw_recycle", want: ids("kernel.tw-recycle"), needs: hostNeeded, status: originward.StatusDegraded, world: func() *bt.World {
			w := edgeHalf(bt.Healthy(), 522, originward.ConnectionTimeout)
			w.Counters.Values = map[string]string{"net.ipv4.tcp_tw_recycle": "1"}
			w.Counters.Growth = map[string]uint64{"PAWSPassive": 9}
			return w
		}},
	}
}

// captured sends replies to some ranges elsewhere.
func captured(w *bt.World, typ string, ps ...netip.Prefix) *bt.World {
	g := bt.Route(originward.IP4, true, ps...)
	g.Type, g.Iface, g.Gateway, g.Default, g.InOK = typ, "", netip.Addr{}, false, fact.No
	w.Routes.Groups = append(w.Routes.Groups, g)
	w.Routes.Special = []fact.SpecialRoute{{Prefix: ps[0], Type: typ, Table: "main", Covers: ps, Text: typ + " " + ps[0].String()}}
	return w
}

func pathCases() []broken {
	return []broken{
		{name: "blackhole route", want: ids("path.return-route-captured"), needs: hostNeeded, status: originward.StatusDegraded, world: func() *bt.World {
			bad, rest := rangesOf(bt.Egress[0])
			w := bt.Healthy()
			w.Routes.Groups[0].Ranges = rest
			return edgeHalf(captured(w, "blackhole", bad), 522, originward.ConnectionTimeout)
		}},
		{name: "asymmetric", want: ids("path.asymmetric-return"), needs: hostNeeded, world: func() *bt.World {
			w := dropped(bt.Healthy())
			for i := range w.Routes.Groups {
				g := &w.Routes.Groups[i]
				g.Iface, g.InOK, g.InErrno = "eth1", fact.No, "EXDEV"
			}
			return w
		}},
		{name: "ipv6 flaps", want: ids("path.ipv6-broken"), needs: hostNeeded, status: originward.StatusDegraded, world: func() *bt.World {
			w := withIPv6(bt.Healthy())
			to := netip.AddrPortFrom(bt.Origin6, 443)
			for i := range 4 {
				w.Hit(20+i, to, bt.Egress6, 522, originward.PhaseConnect, originward.ConnectionTimeout)
			}
			return w
		}},
		{name: "mtu", want: ids("path.mtu-blackhole"), needs: outsideNeeded, world: func() *bt.World {
			w := bt.Healthy()
			w.Swap(bt.Fails(bt.Origin4, 443, originward.PhaseFirstByte, originward.HTTPResponseTimeout, ""), bt.Variant(bt.OK(bt.Origin4, 443), fact.VariantSmallHello))
			w.Add(originward.Outside, fact.Path{Target: netip.AddrPortFrom(bt.Origin4, 443), Method: "tcp", Reached: fact.Yes, MTU: fact.MTU{LargestOK: 1400, SmallestLost: 1450}})
			return w.Edge(524, originward.PhaseFirstByte, originward.HTTPResponseTimeout)
		}},
		{name: "behind a router", want: ids("path.isp-port-block"), stands: originward.Likely, needs: hostNeeded, world: func() *bt.World {
			w := dropped(bt.Healthy())
			in := netip.MustParseAddr("192.168.1.10")
			w.Addresses = fact.Addresses{Interfaces: []fact.Interface{{Name: "eth0", Addrs: []netip.Prefix{netip.PrefixFrom(in, 24)}}}, Asked: []fact.AskedAddr{{Addr: bt.Origin4, Here: fact.No, NAT: fact.Yes}}}
			w.Firewall.Answers = []fact.FirewallAnswer{bt.Open(in, 80), bt.Open(in, 443)}
			w.Direct = append(w.Direct, bt.OK(bt.Origin4, 2222))
			return w
		}},
	}
}

func tunnelCases() []broken {
	id := "6ff42ae2-765d-4adf-8112-31c55c1551ef"
	tunnelled := func(cname string) *bt.World {
		w := record(bt.Healthy(), cname+".cfargotunnel.com").SetDirect()
		w.Web, w.Services.Services, w.Local = nil, nil, nil
		return w.EdgeErr(530, 1033)
	}
	up := netip.MustParseAddrPort("127.0.0.1:3000")
	local := func(service string, errs ...string) *bt.World {
		w := tunnelled(id)
		w.EdgeErr(502, 0)
		w.Listeners.Sockets = append(w.Listeners.Sockets, bt.Sock("0.0.0.0", 3000, "node"))
		t := fact.Tunnel{Running: fact.Yes, ID: id, Ready: fact.Yes, Conns: 4, Container: fact.No, Ingress: []fact.TunnelRule{{Hostname: bt.Host, Service: service, Upstream: fact.Upstream{Name: service, Addr: up, Listener: fact.Yes}}}}
		for _, e := range errs {
			t.Errors = append(t.Errors, fact.Place{Text: e})
		}
		return w.Add(originward.Host, t)
	}
	// A line as cloudflared has written it since 2021, and as it did before.
	line := func(service, err string) string {
		return `ERR error="Unable to reach the origin service. The service may be down or it may be responding with traffic from an invalid TLS certificate: ` + err + `" connIndex=1 ingressRule=0 originService=` + service
	}
	old := func(service, err string) string {
		return `ERR error="` + err + `" ingressRule=0 originService=` + service
	}
	return []broken{
		{name: "connector cut off", want: ids("tunnel.egress-blocked"), needs: hostNeeded, world: func() *bt.World {
			return tunnelled(id).Add(originward.Host, fact.Tunnel{Running: fact.Yes, ID: id, Ready: fact.No, Errors: []fact.Place{{Text: "ERR failed to dial to edge with quic: timeout: no recent network activity"}}})
		}},
		{name: "record of another tunnel", want: ids("tunnel.record-stale"), needs: []originward.Vantage{originward.CDN, originward.Host}, world: func() *bt.World {
			return tunnelled("00000000-765d-4adf-8112-31c55c1551ef").Add(originward.Host, fact.Tunnel{Running: fact.Yes, ID: id, Ready: fact.Yes, Conns: 4})
		}},
		{name: "localhost is ::1", want: ids("tunnel.origin-ipv6-localhost"), needs: hostNeeded, world: func() *bt.World {
			return local("http://localhost:3000", line("http://localhost:3000", "dial tcp [::1]:3000: connect: connection refused"))
		}},
		{name: "localhost in a container", want: ids("tunnel.localhost-in-container"), needs: hostNeeded, world: func() *bt.World {
			w := local("http://localhost:3000", old("http://localhost:3000", "dial tcp 127.0.0.1:3000: connect: connection refused"))
			t := w.More[0].Fact.(fact.Tunnel)
			t.Container = fact.Yes
			w.More[0].Fact = t
			return w
		}},
		{name: "connector distrusts", want: ids("tunnel.origin-tls-untrusted"), needs: hostNeeded, world: func() *bt.World {
			return local("https://127.0.0.1:3000", line("https://127.0.0.1:3000", "x509: certificate signed by unknown authority"))
		}},
		{name: "tunnel scheme", want: ids("tunnel.scheme-mismatch"), needs: hostNeeded, world: func() *bt.World {
			w := local("http://127.0.0.1:3000", line("http://127.0.0.1:3000", `malformed HTTP response "\x15\x03\x01"`))
			t := w.More[0].Fact.(fact.Tunnel)
			t.Ingress[0].Upstream.Speaks = "tls"
			return w
		}},
	}
}
