package diagnose

import (
	"net/netip"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	bt "github.com/originward/originward/internal/causes/bundletest"
)

// stopNginx takes nginx's sockets and processes away.
func stopNginx(w *bt.World) *bt.World {
	w.Listeners.Sockets = []fact.Socket{bt.Sock("0.0.0.0", 22, "sshd")}
	w.Services.Services[0].State = "stopped"
	w.Services.Services[0].PIDs = nil
	w.Web[0].Running = fact.No
	w.Local = []fact.Exchange{bt.Refused(bt.Origin4, 443), bt.Refused(bt.Origin4, 80)}
	w.Swap(bt.Refused(bt.Origin4, 80))
	return w.Refuses(443)
}

// noSocket takes the sockets of a port away.
func noSocket(w *bt.World, ports ...uint16) *bt.World {
	var kept []fact.Socket
	for _, s := range w.Listeners.Sockets {
		gone := false
		for _, p := range ports {
			gone = gone || s.Port == p
		}
		if !gone {
			kept = append(kept, s)
		}
	}
	w.Listeners.Sockets = kept
	return w
}

// withIPv6 publishes an AAAA record beside the A record.
func withIPv6(w *bt.World) *bt.World {
	w.Records.Records = append(w.Records.Records, fact.CDNRecord{ID: "r2", Type: "AAAA", Name: bt.Host, Content: bt.Origin6.String(), Proxied: fact.Yes})
	w.Firewall.Answers = append(w.Firewall.Answers, bt.Open(bt.Origin6, 80), bt.Open(bt.Origin6, 443))
	w.Direct = append(w.Direct, bt.OK(bt.Origin6, 80), bt.OK(bt.Origin6, 443))
	w.Listeners.Sockets = append(w.Listeners.Sockets, bt.Sock("::", 80, "nginx"), bt.Sock("::", 443, "nginx"))
	to := netip.AddrPortFrom(bt.Origin6, 443)
	return w.Hit(8, to, bt.Egress6, 200, "", "").Hit(9, to, bt.Egress6, 200, "", "")
}

// half6 makes the edge fail over IPv6 and work over IPv4.
func half6(w *bt.World, code int, t originward.FaultType) *bt.World {
	w.Edge(200, "", "")
	to := netip.AddrPortFrom(bt.Origin6, 443)
	for i := range 3 {
		w.Hit(8+i, to, bt.Egress6, code, originward.PhaseConnect, t)
	}
	return w
}

func listenerCases() []broken {
	return []broken{
		{name: "nginx stopped", world: func() *bt.World { return stopNginx(bt.Healthy()) }, want: ids("listener.none"), needs: hostNeeded},
		{name: "nginx never installed", want: ids("listener.none"), needs: hostNeeded, world: func() *bt.World {
			w := stopNginx(bt.Healthy())
			w.Services.Services, w.Web = nil, nil
			return w
		}},
		{name: "config rejected", want: ids("listener.config-rejected"), needs: hostNeeded, world: func() *bt.World {
			w := stopNginx(bt.Healthy())
			s := &w.Services.Services[0]
			s.State = "failed"
			s.Test = &fact.Test{Command: "nginx -t", OK: fact.No, Errors: []fact.Place{{File: "/etc/nginx/conf.d/shop.conf", Line: 7, Text: `host not found in upstream "app"`}}}
			return w
		}},
		{name: "bind failed", want: ids("listener.bind-failed"), needs: hostNeeded, world: func() *bt.World {
			w := stopNginx(bt.Healthy())
			s := &w.Services.Services[0]
			s.State = "failed"
			s.StartError = &fact.Place{File: "/var/log/nginx/error.log", Text: "nginx: [emerg] bind() to 203.0.113.50:443 failed (99: Cannot assign requested address)"}
			return w
		}},
		{name: "bind failed, by the test and for another port", want: ids("listener.bind-failed"), needs: hostNeeded, world: func() *bt.World {
			w := stopNginx(bt.Healthy())
			s := &w.Services.Services[0]
			s.State = "failed"
			s.Test = &fact.Test{Command: "nginx -t", OK: fact.No, Output: "nginx: [emerg] bind() to 203.0.113.50:8443 failed (99: Cannot assign requested address)"}
			return w
		}},
		{name: "tls port missing", want: ids("listener.tls-port-missing"), needs: hostNeeded, world: func() *bt.World {
			w := noSocket(bt.Healthy(), 443)
			w.Web[0].Listens = w.Web[0].Listens[:1]
			w.Web[0].Sites[0].Listens = w.Web[0].Listens
			w.Local = []fact.Exchange{bt.OK(bt.Origin4, 80), bt.Refused(bt.Origin4, 443)}
			return w.Refuses(443)
		}},
		{name: "loopback only", want: ids("listener.loopback-only"), needs: hostNeeded, world: func() *bt.World {
			w := noSocket(bt.Healthy(), 80, 443)
			w.Listeners.Sockets = append(w.Listeners.Sockets, bt.Sock("127.0.0.1", 80, "nginx"), bt.Sock("127.0.0.1", 443, "nginx"))
			w.Local = []fact.Exchange{bt.Refused(bt.Origin4, 443)}
			w.Swap(bt.Refused(bt.Origin4, 80))
			return w.Refuses(443)
		}},
		{name: "family missing", want: ids("listener.family-missing"), needs: hostNeeded, status: originward.StatusDegraded, world: func() *bt.World {
			w := withIPv6(bt.Healthy())
			w.Listeners.Sockets = w.Listeners.Sockets[:3]
			w.Swap(bt.Refused(bt.Origin6, 443), bt.Refused(bt.Origin6, 80))
			return half6(w, 521, originward.ConnectionRefused)
		}},
		{name: "wrong port", want: ids("listener.wrong-port"), needs: hostNeeded, world: func() *bt.World {
			w := stopNginx(bt.Healthy())
			w.Services.Services = w.Services.Services[1:]
			w.Web = nil
			w.Listeners.Sockets = append(w.Listeners.Sockets, bt.Sock("0.0.0.0", 3000, "node"))
			return w
		}},
		{name: "two at once", want: ids("listener.none", "firewall.host.port-closed"), needs: hostNeeded, world: func() *bt.World {
			return closed(stopNginx(bt.Healthy()), fact.VerdictReject, "icmp port-unreachable")
		}},
	}
}

func ids(s ...originward.CauseID) []originward.CauseID { return s }
