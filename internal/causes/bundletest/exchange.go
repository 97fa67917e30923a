package bundletest

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// Base is the frame of an exchange with an address and port.
func Base(a netip.Addr, port uint16) fact.Exchange {
	x := fact.Exchange{Target: netip.AddrPortFrom(a, port), Scheme: "https", SNI: Host, Host: Host, Path: "/", Source: Prober, Timers: "fast"}
	if port == 80 || port == 8080 {
		x.Scheme, x.SNI = "http", ""
	}
	if a.Is6() {
		x.Source = Prober6
	}
	return x
}

// OK is an exchange that ends with 200.
func OK(a netip.Addr, port uint16) fact.Exchange {
	x := Base(a, port)
	x.Phases = []fact.PhaseTime{{Phase: originward.PhaseConnect, MS: 1, Done: true}}
	if x.Scheme == "https" {
		x.Phases = append(x.Phases, fact.PhaseTime{Phase: originward.PhaseTLS, MS: 3, Done: true})
		x.TLS = &fact.TLS{Complete: true, Version: "1.3", Chain: []fact.Cert{Leaf("good"), {CN: "Lab public issuer", CA: true}}, Judged: fact.Yes, Trust: "public"}
	}
	x.Response = &fact.Response{Status: 200, Proto: "HTTP/1.1", Header: map[string]string{}}
	return x
}

// Status is an exchange that ends with an HTTP status.
func Status(a netip.Addr, port uint16, status int) fact.Exchange {
	x := OK(a, port)
	x.Response.Status = status
	return x
}

// Fails is an exchange that ends in a fault.
func Fails(a netip.Addr, port uint16, p originward.Phase, t originward.FaultType, errno string) fact.Exchange {
	x := Base(a, port)
	x.Phases = []fact.PhaseTime{}
	for _, q := range []originward.Phase{originward.PhaseConnect, originward.PhaseTLS, originward.PhaseWrite, originward.PhaseFirstByte, originward.PhaseHeaders} {
		if q == originward.PhaseTLS && x.Scheme == "http" {
			continue
		}
		x.Phases = append(x.Phases, fact.PhaseTime{Phase: q, MS: 1, Done: q != p})
		if q == p {
			break
		}
	}
	if originward.PhaseTLS.Before(p) && x.Scheme == "https" {
		x.TLS = OK(a, port).TLS
	}
	x.Fault = &fact.Fault{Phase: p, Type: t, Code: originward.CodeFor(p, t).Error, Errno: errno, AfterMS: 1}
	if t == originward.ConnectionTimeout || t == originward.HTTPResponseTimeout || t == originward.ConnectionReadTimeout {
		x.Fault.Ended, x.Fault.AfterMS = "timeout", 3000
		x.Phases[len(x.Phases)-1].MS = 3000
	}
	return x
}

// Refused, Timeout and Unreachable are failures of connect.
func Refused(a netip.Addr, port uint16) fact.Exchange {
	return Fails(a, port, originward.PhaseConnect, originward.ConnectionRefused, "ECONNREFUSED")
}

// Timeout is a connect that is never answered.
func Timeout(a netip.Addr, port uint16) fact.Exchange {
	return Fails(a, port, originward.PhaseConnect, originward.ConnectionTimeout, "ETIMEDOUT")
}

// Unreachable is a connect that an ICMP prohibition answers.
func Unreachable(a netip.Addr, port uint16) fact.Exchange {
	return Fails(a, port, originward.PhaseConnect, originward.DestinationIPUnroutable, "EHOSTUNREACH")
}

// Empty is a request that is closed without a byte.
func Empty(a netip.Addr, port uint16) fact.Exchange {
	x := Fails(a, port, originward.PhaseFirstByte, originward.ConnectionTerminated, "")
	x.Fault.Ended = "closed"
	return x
}

// Variant marks an exchange as made with one thing changed.
func Variant(x fact.Exchange, v string) fact.Exchange {
	x.Variant = v
	return x
}

// With gives an exchange's certificate other content.
func With(x fact.Exchange, leaf fact.Cert, reasons ...fact.CertReason) fact.Exchange {
	t := *x.TLS
	t.Chain = []fact.Cert{leaf}
	t.Reasons = reasons
	x.TLS = &t
	return x
}

// SetDirect replaces what is seen directly.
func (w *World) SetDirect(xs ...fact.Exchange) *World {
	w.Direct = xs
	return w
}

// Edge sets what the edge answers on every visit, over https, from each of its
// addresses in turn. Codes from 520 are the edge's own; others are the
// origin's.
func (w *World) Edge(code int, p originward.Phase, t originward.FaultType) *World {
	return w.Visit(netip.AddrPortFrom(Origin4, 443), code, p, t)
}

// Visit sets what the edge answers for one origin address and port.
func (w *World) Visit(to netip.AddrPort, code int, p originward.Phase, t originward.FaultType) *World {
	w.Visits, w.Record = nil, fact.EdgeRecord{Egress: append(append([]netip.Addr{}, Egress...), Egress6)}
	for i := range 4 {
		w.Hit(i, to, Egress[i%len(Egress)], code, p, t)
	}
	return w
}

// Hit adds one visit.
func (w *World) Hit(i int, to netip.AddrPort, egress netip.Addr, code int, p originward.Phase, t originward.FaultType) *World {
	ray := fmt.Sprintf("%016x", i+1)
	a := fact.EdgeAnswer{
		Target: netip.AddrPortFrom(Front, 443), Scheme: "https", Host: Host, Path: "/", CDN: "originward", Status: code,
		EdgeMade: fact.No, Fault: t, Phase: p, Ray: ray, Colo: "LAB", MS: 12,
		Response: &fact.Response{Status: code, Proto: "HTTP/1.1", Header: map[string]string{}},
	}
	x := fact.EdgeExchange{
		At: At.Add(time.Duration(i) * time.Millisecond), Ray: ray, Host: Host, Origin: to, Egress: egress, Scheme: "https", SSL: w.Settings.SSL,
		Code: code, Phase: p, Fault: t,
	}
	if code >= 520 {
		a.EdgeMade, a.Error = fact.Yes, code
	}
	w.Visits = append(w.Visits, a)
	w.Record.Items = append([]fact.EdgeExchange{x}, w.Record.Items...)
	return w
}

// EdgeErr sets an answer that the edge makes without an origin: 1016, 1000, …
func (w *World) EdgeErr(status, code int) *World {
	w.Edge(status, "", "")
	for i := range w.Visits {
		w.Visits[i].EdgeMade, w.Visits[i].Error = fact.Yes, code
	}
	for i := range w.Record.Items {
		w.Record.Items[i].Origin, w.Record.Items[i].Error = netip.AddrPort{}, code
	}
	return w
}

// Refuses, Drops and their like set what both the edge and a direct connect
// meet on 443.
func (w *World) Refuses(port uint16) *World {
	w.swap(Refused(Origin4, port))
	return w.Edge(521, originward.PhaseConnect, originward.ConnectionRefused)
}

// Drops sets silence.
func (w *World) Drops(port uint16) *World {
	w.swap(Timeout(Origin4, port))
	return w.Edge(522, originward.PhaseConnect, originward.ConnectionTimeout)
}

// swap replaces the direct exchange with the same target.
func (w *World) swap(x fact.Exchange) {
	for i := range w.Direct {
		if w.Direct[i].Target == x.Target && w.Direct[i].Variant == x.Variant {
			w.Direct[i] = x
			return
		}
	}
	w.Direct = append(w.Direct, x)
}

// Swap replaces direct exchanges with the same target and variant.
func (w *World) Swap(xs ...fact.Exchange) *World {
	for _, x := range xs {
		w.swap(x)
	}
	return w
}
