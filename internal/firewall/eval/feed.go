package eval

import (
	"github.com/originward/originward/internal/firewall/interval"
	"github.com/originward/originward/internal/firewall/ruleset"
	"github.com/originward/originward/internal/firewall/xt"
)

// Feed is something a packet does beside meeting its end: it enters a list, a log or a program that remembers it. Who
// sends a packet under another's address must not send it there: ban tools read them.
type Feed struct {
	// What is the expression, match or target: log, dynset, recent, SET …
	What string
	// Set are the sources whose SYN may run it.
	Set *interval.Set
}

// effects are the kinds that may leave a trace of the packet; which do, feeds says.
var effects = [...]bool{
	ruleset.KindUnknown: true, ruleset.KindLog: true, ruleset.KindDynset: true, ruleset.KindDup: true, ruleset.KindFwd: true, ruleset.KindQueue: true,
	ruleset.KindSynproxy: true, ruleset.KindTproxy: true, ruleset.KindXtMatch: true, ruleset.KindXtTarget: true,
}

// feeds names what an expression leaves behind of a packet; empty when nothing.
func feeds(ex *ruleset.Expr) string {
	switch ex.Kind {
	case ruleset.KindLog:
		return "log"
	case ruleset.KindDynset:
		return "set " + ex.X.Name
	case ruleset.KindDup, ruleset.KindFwd, ruleset.KindQueue, ruleset.KindSynproxy, ruleset.KindTproxy, ruleset.KindUnknown:
		return "expression " + name(ex)
	case ruleset.KindXtMatch:
		switch i := ex.X.Xt.Info.(type) {
		case nil, xt.External, xt.RecentSet:
			return "match " + ex.X.Xt.Name
		case xt.Stateful:
			if i.Name != "limit" && i.Name != "statistic" && i.Name != "quota" && i.Name != "connlimit" {
				return "match " + ex.X.Xt.Name
			}
		}
	case ruleset.KindXtTarget:
		switch i := ex.X.Xt.Info.(type) {
		case xt.Reject, xt.NAT, xt.MarkSet, xt.ConnmarkSet, xt.CT:
			return ""
		case xt.Continue:
			switch i.Name {
			case "LOG", "NFLOG", "ULOG", "AUDIT", "TRACE", "TEE", "LED", "IDLETIMER":
			default:
				return ""
			}
		}
		return "target " + ex.X.Xt.Name
	}
	return ""
}

// feed notes which of a state's packets come to such an expression.
func (e *engine) feed(ex *ruleset.Expr, st *state, c *cursor) {
	if c.env.reply {
		return
	}
	what := feeds(ex)
	if what == "" {
		return
	}
	set := e.keep(st.a, c.f)
	for i := range e.feeding {
		if e.feeding[i].What == what {
			e.feeding[i].Set.Add(set)
			return
		}
	}
	e.feeding = append(e.feeding, Feed{what, set.Clone()})
}
