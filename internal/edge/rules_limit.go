package edge

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/edge/rules"
)

func (c *compiler) rateLimit(phase string, l config.RateLimit) rules.RateLimit {
	out := rules.RateLimit{
		Head: c.head(phase, l.Rule, false), Requests: l.Requests, Period: l.Period, Mitigation: l.Mitigation,
		Response: ownResponse(l.Response), Score: l.Score, ToOrigin: l.ToOrigin, Afterwards: l.Score != "" || l.ToOrigin,
	}
	for _, s := range l.Characteristics {
		switch s {
		case "cf.colo.id": // an edge is one data centre
		case "ip.src":
			out.Characteristics = append(out.Characteristics, rules.Characteristic{Name: s, IP: true})
		default:
			v, err := rules.CompileValue(s, c.options(false))
			c.failed(l.Line, err)
			out.Characteristics = append(out.Characteristics, rules.Characteristic{Name: s, Of: v})
		}
	}
	if len(l.Characteristics) > 0 && len(out.Characteristics) == 0 { // the data centre alone: all visitors together
		out.Characteristics = []rules.Characteristic{{Of: rules.Text("")}}
	}
	if l.Counting != "" {
		e, err := rules.CompileWith(l.Counting, c.options(true))
		c.failed(l.Line, err)
		if err == nil {
			out.Counting = &e
			out.Afterwards = out.Afterwards || slices.ContainsFunc(e.Needs(), ofResponse)
		}
	}
	return out
}

// ofResponse tells the fields that are known once there is a response.
func ofResponse(field string) bool {
	field = strings.TrimPrefix(field, "raw.")
	return strings.HasPrefix(field, "http.response.") || strings.HasPrefix(field, "cf.response.")
}

// products compiles what is no ruleset.
func (c *compiler) products(r config.Rules, set *rules.Set) {
	for _, a := range r.Access {
		x := rules.AccessRule{ID: c.id(a.ID, "ip_access", a.Target, a.Value, a.Action), Notes: a.Notes, Action: rules.Action(a.Action)}
		switch a.Target {
		case "country":
			x.Country = a.Value
		case "asn":
			n, err := strconv.ParseUint(a.Value, 10, 32)
			c.failed(a.Line, err)
			x.ASN = uint32(n) //nolint:gosec // 32 bits
		default:
			p, err := netip.ParsePrefix(a.Value)
			c.failed(a.Line, err)
			x.Range = p
		}
		set.Access = append(set.Access, x)
	}
	for _, a := range r.UserAgents {
		set.Agents = append(set.Agents, rules.AgentRule{
			ID: c.id(a.ID, "ua_block", a.Agent, a.Action), Description: a.Description, Agent: a.Agent,
			Action: rules.Action(a.Action), Enabled: !a.Paused,
		})
	}
	set.Hotlink = r.Hotlink
}
