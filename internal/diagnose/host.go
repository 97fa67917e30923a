package diagnose

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/cdn"
	"github.com/originward/originward/internal/observe/host"
	"github.com/originward/originward/internal/observe/host/collect"
)

// HostAsk is what is asked of a host when it is looked at alone.
type HostAsk struct {
	Host    string       // site's name; empty = every configured site
	Origins []netip.Addr // addresses the edge contacts; none = the host's own
	Ports   []uint16     // none = 80, 443 and those of the CDN's other ports that are open
	Ray     string
	Since   time.Duration    // how far back logs are read; 0 = an hour
	Prove   bool             // confirm the packet filter's answer by the kernel, in a copy
	Live    bool             // with Prove: and in the host's own interfaces, behind guards
	Window  time.Duration    // watch the kernel's drops for so long; 0 = not at all
	Now     func() time.Time `json:"-"`
}

// CollectHost collects evidence on this machine.
func CollectHost(ctx context.Context, a HostAsk) *originward.Bundle {
	now := time.Now
	if a.Now != nil {
		now = a.Now
	}
	ask := host.Ask{
		Host: a.Host, Origins: a.Origins, Ports: a.Ports, Ray: a.Ray, Now: now, Prove: a.Prove, Live: a.Live, Window: a.Window,
		CDN: func(addr netip.Addr) (string, netip.Prefix, bool) {
			id, in := cdn.Lookup(addr)
			return string(id), in, id != ""
		},
	}
	if len(ask.Ports) == 0 {
		ask.Ports = usualPorts()
	}
	for _, f := range []originward.Family{originward.IP4, originward.IP6} {
		ranges, _ := cdn.Ranges(cdn.Cloudflare, f)
		ask.Ranges = append(ask.Ranges, ranges...)
	}
	if a.Since > 0 {
		ask.To = now()
		ask.From = ask.To.Add(-a.Since)
	}
	return host.Collect(ctx, ask)
}

// usualPorts are 80 and 443, and those of the CDN's other ports on which this
// machine listens: the site may be visited there.
func usualPorts() []uint16 {
	ports := []uint16{80, 443}
	if l, ok := cdn.Ports(cdn.Cloudflare); ok {
		for _, p := range collect.OpenPorts("/proc", slices.Concat(l.HTTPS, l.HTTP)) {
			if !slices.Contains(ports, p) {
				ports = append(ports, p)
			}
		}
	}
	return ports
}

// observeHost brings the origin host's evidence from wherever it is to be had.
func (a *Ask) observeHost(ctx context.Context, g *gathered, k known) {
	ask := HostAsk{Host: a.Site.Host, Ray: a.Ray, Since: a.Since, Window: a.Window, Now: a.Now}
	for _, o := range k.origins {
		if o.Addr.IsValid() {
			ask.Origins = append(ask.Origins, o.Addr)
		}
		if o.Port != 0 {
			ask.Ports = append(ask.Ports, o.Port)
		}
	}
	if p := a.Site.Port; p != 0 && p != 80 && p != 443 && len(ask.Ports) == 0 {
		ask.Ports = []uint16{80, 443, p}
	}
	switch {
	case a.HostEvidence != nil:
		g.takeHost(a.HostEvidence)
	case a.HostAfar != nil:
		b, err := a.HostAfar(ctx, ask)
		if err != nil {
			g.miss(originward.NotObserved{Vantage: originward.Host, Why: "the host did not answer: " + err.Error(), How: "look whether it can still be reached, then diagnose again"})
			return
		}
		g.takeHost(b)
	case a.LocalHost:
		a.say("collecting evidence on this machine")
		g.takeHost(CollectHost(ctx, ask))
	case a.SSH != "":
		a.say("collecting evidence on " + a.SSH)
		b, err := a.overSSH(ctx, ask)
		if err != nil {
			g.miss(originward.NotObserved{
				Vantage: originward.Host, Why: "collecting over ssh failed: " + err.Error(),
				How: "run `originward host -o evidence.json` on the origin, then diagnose with --host-evidence evidence.json",
			})
			return
		}
		g.takeHost(b)
	}
}

// takeHost keeps what a host said of itself, and nothing that it says of other
// vantages.
func (g *gathered) takeHost(b *originward.Bundle) {
	var seen []originward.Evidence
	for _, e := range b.Evidence {
		if e.Vantage == originward.Host {
			seen = append(seen, e)
		}
	}
	var missing []originward.NotObserved
	for _, n := range b.NotObserved {
		if n.Vantage == originward.Host {
			missing = append(missing, n)
		}
	}
	g.add(seen, missing)
}
