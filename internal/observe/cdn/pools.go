package cdn

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/cloudflare/cloudflare-go/v7/load_balancers"
	"github.com/cloudflare/cloudflare-go/v7/option"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
)

// Bounds of what is read of a load balancer (Cloudflare: 20 pools and origins
// without a contract).
const (
	maxPools       = 20
	maxPoolOrigins = 50
)

// pools reads the load balancer that takes the name: its pools, their origins, and
// what the CDN's health checks say of them.
func (o *observer) pools(ctx context.Context, zone, id string) {
	svc := load_balancers.NewLoadBalancerService()
	params := load_balancers.LoadBalancerGetParams{}
	params.ZoneID.Value, params.ZoneID.Present = zone, true
	b, status, err := call(o, func(opts ...option.RequestOption) (*load_balancers.LoadBalancer, error) {
		return svc.Get(ctx, id, params, opts...)
	})
	if err != nil || status != http.StatusOK {
		o.failed(fact.QCDNBalancer, "the load balancer", status, err, balancersRead)
		return
	}
	f := fact.CDNBalancer{ID: escape.Line(b.ID, 64), Name: escape.Line(b.Name, 253), Steering: escape.Line(string(b.SteeringPolicy), 40)}
	if strings.Contains(b.JSON.RawJSON(), `"proxied"`) {
		f.Proxied = fact.TriOf(b.Proxied)
	}
	for _, p := range b.DefaultPools[:min(len(b.DefaultPools), maxPools)] {
		f.Pools = append(f.Pools, fact.CDNPool{ID: p})
	}
	if i := slices.IndexFunc(f.Pools, func(p fact.CDNPool) bool { return p.ID == b.FallbackPool }); i >= 0 {
		f.Pools[i].Fallback = true
	} else if b.FallbackPool != "" {
		f.Pools = append(f.Pools, fact.CDNPool{ID: b.FallbackPool, Fallback: true})
	}
	var wg sync.WaitGroup
	for i := range f.Pools {
		wg.Go(func() { o.pool(ctx, &f.Pools[i]) })
	}
	wg.Wait()
	if slices.ContainsFunc(f.Pools, func(p fact.CDNPool) bool { return p.Unread }) {
		o.miss(fact.QCDNBalancer, "the pools of the load balancer "+f.Name+" could not be read", "give the token the permission "+poolsRead)
	}
	o.add(f, originward.Subject{Host: o.Host, Name: f.Name}, balancerText(f), o.reproduce("zones/"+zone+"/load_balancers/"+id))
}

// pool fills one pool in.
func (o *observer) pool(ctx context.Context, p *fact.CDNPool) {
	id := p.ID
	p.ID = escape.Line(id, 64)
	params := load_balancers.PoolGetParams{}
	params.AccountID.Value, params.AccountID.Present = o.account, true
	got, status, err := call(o, func(opts ...option.RequestOption) (*load_balancers.Pool, error) {
		return load_balancers.NewPoolService().Get(ctx, id, params, opts...)
	})
	if err != nil || status != http.StatusOK {
		p.Unread = true
		return
	}
	p.Name, p.Monitor, p.Minimum = escape.Line(got.Name, 64), escape.Line(got.Monitor, 64), int(got.MinimumOrigins)
	p.Enabled = fact.TriOf(got.Enabled)
	for _, x := range got.Origins[:min(len(got.Origins), maxPoolOrigins)] {
		m := fact.CDNPoolOrigin{
			Name: escape.Line(x.Name, 64), Address: escape.Line(strings.ToLower(x.Address), 253), Weight: x.Weight, Enabled: fact.TriOf(x.Enabled),
		}
		if x.Port > 0 && x.Port < 1<<16 {
			m.Port = int(x.Port)
		}
		if len(x.Header.Host) > 0 {
			m.Host = escape.Line(x.Header.Host[0], 253)
		}
		p.Origins = append(p.Origins, m)
	}
	if p.Monitor != "" {
		o.poolHealth(ctx, id, p)
	}
}

// place is the health of a pool as one of the CDN's places sees it.
type place struct {
	Healthy *bool
	Origins []map[string]struct {
		Healthy *bool
		Reason  string `json:"failure_reason"`
		Code    int    `json:"response_code"`
	}
}

// poolHealth adds what the CDN's checks say. The SDK has the answer's form with one
// place only; the API gives them by name.
func (o *observer) poolHealth(ctx context.Context, id string, p *fact.CDNPool) {
	params := load_balancers.PoolHealthGetParams{}
	params.AccountID.Value, params.AccountID.Present = o.account, true
	got, status, err := call(o, func(opts ...option.RequestOption) (*load_balancers.PoolHealthGetResponse, error) {
		return load_balancers.NewPoolHealthService().Get(ctx, id, params, opts...)
	})
	var body struct {
		Places map[string]place `json:"pop_health"`
	}
	if err != nil || status != http.StatusOK || json.Unmarshal([]byte(got.JSON.RawJSON()), &body) != nil {
		p.NoHealth = true
		return
	}
	names := make([]string, 0, len(body.Places))
	for name := range body.Places {
		names = append(names, name)
	}
	slices.Sort(names) // answers are read in any order
	for _, name := range names {
		at := body.Places[name]
		p.Healthy = worse(p.Healthy, at.Healthy)
		for _, byAddress := range at.Origins {
			for address, h := range byAddress {
				for i := range p.Origins {
					m := &p.Origins[i]
					if !strings.EqualFold(m.Address, address) {
						continue
					}
					was := m.Healthy
					m.Healthy = worse(m.Healthy, h.Healthy)
					if m.Healthy == fact.No && was != fact.No {
						m.Reason, m.Code = escape.Line(h.Reason, 100), h.Code
					}
				}
			}
		}
	}
}

// worse joins what two places say: one that cannot reach an origin is enough.
func worse(a fact.Tri, b *bool) fact.Tri {
	if b == nil || a == fact.No {
		return a
	}
	return fact.TriOf(*b)
}

func balancerText(f fact.CDNBalancer) string {
	var w []string
	for _, p := range f.Pools {
		s := "pool " + p.Name
		if p.Name == "" {
			s = "pool " + p.ID + " (not readable)"
		}
		switch {
		case p.Enabled == fact.No:
			s += ", disabled"
		case p.Healthy == fact.No:
			s += ", unhealthy"
		}
		if p.Fallback {
			s += ", of last resort"
		}
		var origins []string
		for _, m := range p.Origins {
			o := m.Address
			switch {
			case m.Enabled == fact.No:
				o += " disabled"
			case m.Healthy == fact.No:
				o += " unhealthy: " + m.Reason
			}
			origins = append(origins, o)
		}
		w = append(w, s+" ("+strings.Join(origins, "; ")+")")
	}
	return escape.Line(fmt.Sprintf("the CDN's load balancer %s has %s", f.Name, strings.Join(w, ", ")), 1500)
}
