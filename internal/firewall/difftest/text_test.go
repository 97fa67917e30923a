//go:build linux

package difftest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/originward/originward/internal/firewall/nft"
	"github.com/originward/originward/internal/firewall/render"
	"github.com/originward/originward/internal/firewall/replica"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// shape strips what two copies of a rule may differ in: counters, and the names of anonymous sets, whose content counts.
func shape(r *ruleset.Rule) string {
	var b strings.Builder
	implied := map[string]bool{}
	for i := 0; i < len(r.Exprs); i++ {
		e := r.Exprs[i]
		// A protocol asked for once is as good as asked for twice, and it does not matter where.
		const protocol, nfproto, l4proto = 1, 15, 16
		if e.Kind == ruleset.KindMeta && (e.Op == protocol || e.Op == nfproto || e.Op == l4proto) && i+1 < len(r.Exprs) {
			if c := r.Exprs[i+1]; c.Kind == ruleset.KindCmp && c.Op == 0 {
				implied[fmt.Sprintf("%d=%x", e.Op, c.Value())] = true
				i++
				continue
			}
		}
		if short, ok := shortLoad(r.Exprs[i:]); ok {
			b.WriteString(short)
			i += 2
			continue
		}
		if e.Kind == ruleset.KindCounter {
			b.WriteString("counter\n")
			continue
		}
		fmt.Fprintf(&b, "%d %d %d %d %v %d %d %d %d %x", e.Kind, e.Op, e.DReg, e.SReg, e.Inv, e.Len, e.Base, e.Off, e.Flags, e.Value())
		if x := e.X; x != nil {
			fmt.Fprintf(&b, " %x %x %x %x %v %d %d %s %v %v %s", x.Mask, x.Xor, x.From, x.To, x.Regs, x.Number, x.Number2, x.Text, x.Object, x.Verdict.Code, x.Verdict.Chain)
			for k := range x.Inner {
				fmt.Fprintf(&b, " inner %d", x.Inner[k].Kind)
			}
			if x.Xt != nil {
				fmt.Fprintf(&b, " %s %d %v", x.Xt.Name, x.Xt.Rev, x.Xt.Info)
			}
			if x.Set != nil && x.Set.Flags&ruleset.SetAnonymous == 0 {
				b.WriteString(" @" + x.Set.Name)
			} else if s := x.Set; s != nil {
				fmt.Fprintf(&b, " %v", s.Keys)
				var wide []string
				for _, w := range s.Wide {
					info := s.Extra(w.Info)
					text := fmt.Sprintf(" %x-%x", w.Key, w.End)
					if info != nil {
						text += fmt.Sprintf(" %v %s %x", info.Verdict.Code, info.Verdict.Chain, info.Data)
					}
					wide = append(wide, text)
				}
				sort.Strings(wide)
				b.WriteString(strings.Join(wide, ""))
				for k := range s.Keys {
					if info := s.Extra(s.KeyInfo(k)); info != nil {
						fmt.Fprintf(&b, " %v %s %x", info.Verdict.Code, info.Verdict.Chain, info.Data)
					}
				}
			}
		}
		b.WriteByte('\n')
	}
	if implied["15=02"] || implied["15=0a"] {
		delete(implied, "1=0800")
		delete(implied, "1=86dd")
	}
	var protos []string
	for p := range implied {
		protos = append(protos, p)
	}
	sort.Strings(protos)
	return b.String() + strings.Join(protos, " ") + r.Comment
}

// shortLoad recognises a load under a mask of whole bytes, which is the same as loading only those bytes.
func shortLoad(es []ruleset.Expr) (string, bool) {
	if len(es) < 3 || es[0].Kind != ruleset.KindPayload || es[1].Kind != ruleset.KindBitwise || es[1].Op != 0 || es[2].Kind != ruleset.KindCmp {
		return "", false
	}
	n := 0
	for n < len(es[1].X.Mask) && es[1].X.Mask[n] == 0xff {
		n++
	}
	for _, m := range es[1].X.Mask[n:] {
		if m != 0 {
			return "", false
		}
	}
	e, c := es[0], es[2]
	return fmt.Sprintf("%d %d %d %d false %d %d %d 0 \n%d %d %d %d false 0 0 0 0 %x\n", e.Kind, e.Op, e.DReg, e.SReg, n, e.Base, e.Off,
		c.Kind, c.Op, c.DReg, c.SReg, c.Value()[:min(n, len(c.Value()))]), true
}

func readRules(w *replica.World) (rs *ruleset.Ruleset, err error) {
	err = w.Do(func() error {
		rs, err = nft.Read(context.Background(), nft.Options{MaxElements: 1 << 20, Now: time.Now})
		return err
	})
	return rs, err
}

// readBack gives every rendering that claims to be exact back to its tool, right behind the rule, and compares what the
// kernel then holds.
func readBack(w *replica.World) (exact, all int, bad []string, err error) {
	rs, err := readRules(w)
	if err != nil {
		return 0, 0, nil, err
	}
	for _, t := range rs.Tables {
		for _, c := range t.Chains {
			for _, r := range c.Rules {
				all++
				text := render.Text(r)
				if !text.Exact {
					continue
				}
				if loneRange(r) {
					continue // nft turns a set of one range into two comparisons
				}
				exact++
				if err := again(w, c, r, text.Text); err != nil {
					bad = append(bad, fmt.Sprintf("%s: %v", text.Text, err))
				}
			}
		}
	}
	return exact, all, bad, nil
}

func loneRange(r *ruleset.Rule) bool {
	for i := range r.Exprs {
		if x := r.Exprs[i].X; x != nil && x.Set != nil && x.Set.Flags&ruleset.SetAnonymous != 0 && len(x.Set.Keys) == 1 {
			return true
		}
	}
	return false
}

// again adds a rule's text to its chain and compares the new rule with the old one.
func again(w *replica.World, c *ruleset.Chain, r *ruleset.Rule, text string) error {
	var err error
	if render.IsIptables(c) {
		tool := map[ruleset.Family]string{ruleset.IP: "iptables-nft-restore", ruleset.IP6: "ip6tables-nft-restore"}[c.Table.Family]
		_, err = run(w, fmt.Sprintf("*%s\n-A %s %s\nCOMMIT\n", c.Table.Name, c.Name, text), tool, "--noflush")
	} else {
		_, err = run(w, fmt.Sprintf("add rule %s %s %s %s\n", c.Table.Family, c.Table.Name, c.Name, text), "nft", "-f", "-")
	}
	if err != nil {
		return err
	}
	rs, err := readRules(w)
	if err != nil {
		return err
	}
	for _, t := range rs.Tables {
		if t.Family != c.Table.Family || t.Name != c.Table.Name {
			continue
		}
		rules := t.Chain(c.Name).Rules
		if got, want := shape(rules[len(rules)-1]), shape(r); got != want {
			return fmt.Errorf("it is now\n%swas\n%s", got, want)
		}
	}
	return nil
}

// TestTextReadsBack holds the renderer to its word: an exact text makes the same bytecode again.
func TestTextReadsBack(t *testing.T) {
	needRoot(t, "nft", "ipset", "iptables-nft-restore")
	exact, all := 0, 0
	end := time.Now().Add(*seconds)
	for s := *start; time.Now().Before(end); s++ {
		if *seed != 0 {
			s = *seed
		}
		r := rand.New(rand.NewPCG(s, 0x7478))
		w := newWorld(t)
		rules := ""
		var err error
		if s%2 == 0 {
			rules = (&gen{r: r, stateful: s%4 == 0}).ruleset()
			_, err = run(w, rules, "nft", "-f", "-")
		} else {
			g := &ipt{gen: gen{r: r}, v6s: r.IntN(2) == 1}
			g.fam = g.ip()
			rules = g.restore()
			_, err = run(w, rules, map[bool]string{false: "iptables-nft-restore", true: "ip6tables-nft-restore"}[g.v6s])
		}
		if err == nil {
			e, a, bad, err := readBack(w)
			exact, all = exact+e, all+a
			if err != nil {
				t.Fatal(err)
			}
			if len(bad) > 0 {
				w.Close()
				t.Fatalf("seed %d: %d texts do not read back:\n%s", s, len(bad), strings.Join(bad[:min(4, len(bad))], "\n"))
			}
		}
		w.Close()
		if *seed != 0 {
			break
		}
	}
	t.Logf("%d of %d rules have an exact text", exact, all)
	if exact*2 < all {
		t.Errorf("only %d of %d rules have an exact text", exact, all)
	}
}
