// Package bundletest builds bundles of evidence for tests, in the shapes that
// the observers produce: a healthy site seen from all four vantages, to be
// broken one observation at a time.
package bundletest

import (
	"net/netip"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/cdn"
)

// The names and addresses of every world.
var (
	Host    = "shop.example"
	At      = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	Origin4 = netip.MustParseAddr("203.0.113.10")
	Origin6 = netip.MustParseAddr("2001:db8:a::10")
	Other4  = netip.MustParseAddr("203.0.113.99")
	Front   = netip.MustParseAddr("198.51.100.10")
	Prober  = netip.MustParseAddr("198.51.100.77")
	Prober6 = netip.MustParseAddr("2001:db8:c::77")
	Egress  = []netip.Addr{netip.MustParseAddr("173.245.48.10"), netip.MustParseAddr("162.158.1.10")}
	Egress6 = netip.MustParseAddr("2400:cb00::10")
)

// World is everything that can be observed, ready to be changed.
type World struct {
	Own      fact.OwnNetwork
	DNS      []fact.DNS
	Direct   []fact.Exchange // outside
	Local    []fact.Exchange // on the host
	Visits   []fact.EdgeAnswer
	Record   fact.EdgeRecord
	Settings fact.CDNSettings
	Records  fact.CDNRecords
	Zone     fact.CDNZone

	Listeners  fact.Listeners
	Counters   fact.Counters
	Addresses  fact.Addresses
	Routes     fact.Routes
	Services   fact.Services
	Web        []fact.WebConfig
	Certs      fact.Certificates
	Firewall   fact.Firewall
	Bans       fact.Bans
	Logs       fact.Logs
	Load       fact.Load
	Clock      fact.Clock
	Resolution fact.Resolution
	Jobs       fact.Jobs

	More  []originward.Evidence // any other item
	Omit  map[originward.Question]bool
	Blind []originward.Vantage // vantages that are left out
}

// Bundle is the world as evidence, in an order of no meaning and without ids.
func (w *World) Bundle() *originward.Bundle {
	b := &originward.Bundle{Schema: originward.EvidenceSchema, Host: Host, AskedAt: At}
	add := func(v originward.Vantage, f originward.Fact, s originward.Subject) {
		if !w.Omit[f.Question()] && !w.blind(v) {
			b.Evidence = append(b.Evidence, originward.Evidence{Vantage: v, Question: f.Question(), At: At.Add(time.Second), Subject: s, Fact: f, Text: "test"})
		}
	}
	add(originward.Outside, w.Own, originward.Subject{})
	for _, d := range w.DNS {
		add(originward.Outside, d, originward.Subject{Host: d.Name})
	}
	for _, x := range w.Direct {
		add(originward.Outside, x, originward.Subject{Addr: x.Target.Addr(), Port: x.Target.Port()})
	}
	for _, x := range w.Local {
		add(originward.Host, x, originward.Subject{Addr: x.Target.Addr(), Port: x.Target.Port()})
	}
	for _, a := range w.Visits {
		add(originward.Edge, a, originward.Subject{Host: Host})
	}
	add(originward.Edge, w.Record, originward.Subject{Host: Host})
	add(originward.CDN, w.Settings, originward.Subject{Host: Host})
	add(originward.CDN, w.Records, originward.Subject{Host: Host})
	add(originward.CDN, w.Zone, originward.Subject{Host: Host})
	w.host(func(f originward.Fact) { add(originward.Host, f, originward.Subject{}) })
	for _, e := range w.More {
		if !w.Omit[e.Question] && !w.blind(e.Vantage) {
			b.Evidence = append(b.Evidence, e)
		}
	}
	return b
}

func (w *World) host(add func(originward.Fact)) {
	for _, f := range []originward.Fact{
		w.Listeners, w.Counters, w.Addresses, w.Routes, w.Services, w.Certs, w.Firewall, w.Bans, w.Logs, w.Load, w.Clock, w.Resolution, w.Jobs,
	} {
		add(f)
	}
	for _, c := range w.Web {
		add(c)
	}
}

func (w *World) blind(v originward.Vantage) bool {
	for _, b := range w.Blind {
		if b == v {
			return true
		}
	}
	return false
}

// Without leaves vantages out.
func (w *World) Without(vs ...originward.Vantage) *World {
	w.Blind = append(w.Blind, vs...)
	return w
}

// Drop leaves questions out.
func (w *World) Drop(qs ...originward.Question) *World {
	if w.Omit == nil {
		w.Omit = map[originward.Question]bool{}
	}
	for _, q := range qs {
		w.Omit[q] = true
	}
	return w
}

// Add adds an item of evidence.
func (w *World) Add(v originward.Vantage, f originward.Fact) *World {
	w.More = append(w.More, originward.Evidence{Vantage: v, Question: f.Question(), At: At.Add(time.Second), Fact: f, Text: "test"})
	return w
}

// Ranges are the CDN's ranges of a family.
func Ranges(f originward.Family) []netip.Prefix {
	ps, _ := cdn.Ranges(cdn.Cloudflare, f)
	return ps
}
