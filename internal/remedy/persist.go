package remedy

import (
	"os"
	"slices"
	"strings"
)

// Files from which packet filters are loaded at boot: iptables-persistent's and
// those of the nftables and iptables services of the distributions.
var (
	bootTables = map[string][]string{
		"iptables":  {"/etc/iptables/rules.v4", "/etc/sysconfig/iptables", "/etc/iptables/iptables.rules"},
		"ip6tables": {"/etc/iptables/rules.v6", "/etc/sysconfig/ip6tables", "/etc/iptables/ip6tables.rules"},
	}
	bootNFT = []string{"/etc/nftables.conf", "/etc/sysconfig/nftables.conf", "/etc/nftables/main.nft"}
)

// persist makes the steps that write edits of rules into the files from which
// they are loaded at boot; lost says for which edits no file was found.
func persist(steps []Step) (out []Step, lost []string) {
	for _, s := range steps {
		var st Step
		var ok bool
		switch do := s.Do.(type) {
		case *Iptables:
			st, ok = persistIptables(do)
		case *NFT:
			st, ok = persistNFT(do)
		case *IPSet, *Route:
		default:
			continue
		}
		if !ok {
			lost = append(lost, s.Title)
			continue
		}
		st.Persist = true
		out = append(out, st)
	}
	return out, lost
}

// persistIptables edits the saved rules of the table.
func persistIptables(t *Iptables) (Step, bool) {
	family, _, _ := strings.Cut(t.Tool, "-")
	for _, path := range bootTables[family] {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		text, ok := t.savedEdit(string(raw))
		if !ok || text == string(raw) {
			continue
		}
		c := &Config{Edits: []Edit{{Path: path, Content: []byte(text)}}}
		if p := t.program("restore"); has(p) {
			c.Test = []string{p, "--test", path}
		}
		return step("config", "write that into "+path+", which is loaded at boot", c), true
	}
	return Step{}, false
}

// savedEdit edits a file of iptables-save's form; false = it does not hold the
// chains as they are in force, so that an edit would be a guess.
func (t *Iptables) savedEdit(saved string) (string, bool) {
	lines := strings.Split(saved, "\n")
	from := slices.Index(lines, "*"+t.Table)
	if from < 0 {
		return "", false
	}
	to := from + slices.Index(lines[from:], "COMMIT")
	if to < from {
		return "", false
	}
	block := lines[from+1 : to]
	for _, c := range t.Chains {
		lead := "-A " + c.Chain + " "
		var rules []string
		first := len(block)
		var rest []string
		for _, l := range block {
			body := l
			if strings.HasPrefix(body, "[") { // with counters
				_, body, _ = strings.Cut(body, "] ")
			}
			if r, ok := strings.CutPrefix(body, lead); ok {
				first = min(first, len(rest))
				rules = append(rules, strings.TrimSpace(r))
				continue
			}
			rest = append(rest, l)
		}
		if !c.Make && surplusLost(c.From, c.To, rules) {
			return "", false
		}
		now := rules
		ops := c.against(now)
		for _, i := range ops.Delete {
			now = slices.Delete(slices.Clone(now), i, i+1)
		}
		for _, in := range ops.Insert {
			now = slices.Insert(slices.Clone(now), in.At, in.Text)
		}
		var put []string
		if c.Make && !slices.ContainsFunc(rest, func(l string) bool { return strings.HasPrefix(l, ":"+c.Chain+" ") }) {
			rest = append([]string{":" + c.Chain + " - [0:0]"}, rest...)
			first = max(1, min(first+1, len(rest)))
		}
		for _, r := range now {
			put = append(put, lead+r)
		}
		first = min(first, len(rest))
		block = append(append(append([]string{}, rest[:first]...), put...), rest[first:]...)
	}
	return strings.Join(append(append(append([]string{}, lines[:from+1]...), block...), lines[to:]...), "\n"), true
}

// surplusLost reports whether a rule that is taken out is not in the file: the
// file is then not where it comes from.
func surplusLost(from, to, have []string) bool {
	for r, n := range surplus(from, to) {
		if n > 0 && count(have, r) == 0 {
			return true
		}
	}
	return false
}

// persistNFT edits a file of nftables, where the rules stand in it line by line
// as they are listed.
func persistNFT(n *NFT) (Step, bool) {
	for _, path := range bootNFT {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		text, ok := n.fileEdit(string(raw))
		if !ok || text == string(raw) {
			continue
		}
		c := &Config{Edits: []Edit{{Path: path, Content: []byte(text)}}, Test: []string{"nft", "-c", "-f", path}}
		return step("config", "write that into "+path+", which is loaded at boot", c), true
	}
	return Step{}, false
}

// fileEdit takes deleted rules out of a file and puts new ones before the rule
// that follows them; false = the file does not show where.
func (n *NFT) fileEdit(text string) (string, bool) {
	lines := strings.Split(text, "\n")
	find := func(rule string) int {
		return slices.IndexFunc(lines, func(l string) bool { return counters.ReplaceAllString(strings.TrimSpace(l), "counter") == rule })
	}
	for _, s := range n.Sets {
		if s.Make == "" {
			return "", false // which lines of a file an element stands in is not certain
		}
	}
	for _, c := range n.Chains {
		ops := c.against(c.From)
		for _, i := range ops.Delete {
			at := find(c.From[i])
			if at < 0 {
				return "", false
			}
			lines = slices.Delete(lines, at, at+1)
		}
		for _, in := range ops.Insert {
			next := ""
			if i := slices.Index(c.To, in.Text); i >= 0 && i+1 < len(c.To) {
				next = c.To[i+1]
			}
			at := find(next)
			if next == "" || at < 0 {
				return "", false
			}
			indent := lines[at][:len(lines[at])-len(strings.TrimLeft(lines[at], " \t"))]
			rule := in.Text
			for _, s := range n.Sets { // in a file, the ranges stand in the rule itself
				rule = strings.ReplaceAll(rule, "@"+s.Set, "{ "+strings.Join(s.Add, ", ")+" }")
			}
			lines = slices.Insert(lines, at, indent+rule)
		}
	}
	return strings.Join(lines, "\n"), true
}

// lostText is what is said of edits that no file at boot is known for.
const lostText = "a reboot takes this back: no file was found from which these rules are loaded. Write the change where they come from (a script, a panel, `netfilter-persistent save`, `ipset save`)"
