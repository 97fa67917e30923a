package nft

import "github.com/originward/originward/internal/firewall/ruleset"

// resolve links jumps to chains and look-ups to sets.
func (d *Decoder) resolve() {
	for _, t := range d.rs.Tables {
		for _, c := range t.Chains {
			for _, r := range c.Rules {
				for i := range r.Exprs {
					d.resolveExpr(t, &r.Exprs[i])
				}
			}
		}
		for _, s := range t.Sets {
			for i := range s.Infos {
				d.resolveVerdict(t, &s.Infos[i].Verdict)
			}
			if s.CatchAll != nil {
				d.resolveVerdict(t, &s.CatchAll.Verdict)
			}
		}
	}
}

func (d *Decoder) resolveExpr(t *ruleset.Table, e *ruleset.Expr) {
	if e.X == nil {
		return
	}
	switch e.Kind {
	case ruleset.KindVerdict:
		d.resolveVerdict(t, &e.X.Verdict)
	case ruleset.KindLookup, ruleset.KindDynset, ruleset.KindObjrefMap:
		e.X.Set = t.Sets[e.X.Name]
	}
}

func (d *Decoder) resolveVerdict(t *ruleset.Table, v *ruleset.Verdict) {
	if v.Chain != "" {
		v.To = d.chains[chainKey{t, v.Chain}]
	}
}
