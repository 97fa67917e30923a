package remedy

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// NFT changes rules and set elements of nf_tables in one transaction: the
// kernel takes all of it or nothing.
type NFT struct {
	Sets   []NFTSet   `json:"sets,omitempty"`
	Chains []NFTChain `json:"chains,omitempty"`
}

// NFTChain is an edit of one chain's rules, as nft lists them with counters
// blanked.
type NFTChain struct {
	Family string `json:"family"`
	Table  string `json:"table"`
	Chain  string `json:"chain"`
	listEdit
}

// NFTSet is an edit of one set or map. Elements are as nft lists them, with
// timeout, comment and data.
type NFTSet struct {
	Family string   `json:"family"`
	Table  string   `json:"table"`
	Set    string   `json:"set"`
	Make   string   `json:"make,omitempty"` // the set's type and flags, when it is made by this step
	Delete []string `json:"delete,omitempty"`
	Add    []string `json:"add,omitempty"`
}

// nftRule is one rule of a listing.
type nftRule struct {
	text   string // with counters blanked
	handle string
}

var (
	handleEnd = regexp.MustCompile(` # handle (\d+)$`)
	counters  = regexp.MustCompile(`counter packets \d+ bytes \d+`)
)

// nftList lists a chain's rules in order.
func nftList(ctx context.Context, m *Machine, family, table, chain string) ([]nftRule, error) {
	out, err := m.Run(ctx, "", "nft", "-a", "list", "chain", family, table, chain)
	if err != nil {
		return nil, err
	}
	return nftRules(out), nil
}

// nftRules reads what `nft -a list chain` prints. A rule may go over several
// lines and ends with its handle; the chain's own properties have none, but
// for its first line.
func nftRules(listing string) []nftRule {
	var out []nftRule
	var open []string
	depth := 0
	for _, l := range strings.Split(listing, "\n") {
		t := strings.TrimSpace(l)
		if depth < 2 { // table NAME {, chain NAME {
			if strings.HasSuffix(handleEnd.ReplaceAllString(t, ""), "{") {
				depth++
			}
			continue
		}
		if t == "}" && len(open) == 0 {
			break
		}
		if len(open) == 0 && (t == "" || strings.HasPrefix(t, "type ") && strings.Contains(t, " hook ") || strings.HasPrefix(t, "comment \"") && !handleEnd.MatchString(t) || strings.HasPrefix(t, "policy ")) {
			continue
		}
		open = append(open, t)
		if mm := handleEnd.FindStringSubmatch(t); mm != nil {
			text := handleEnd.ReplaceAllString(strings.Join(open, " "), "")
			out = append(out, nftRule{counters.ReplaceAllString(text, "counter"), mm[1]})
			open = nil
		}
	}
	return out
}

func ruleTexts(rules []nftRule) []string {
	out := []string{}
	for _, r := range rules {
		out = append(out, r.text)
	}
	return out
}

// script is the transaction that brings one chain to its wanted rules.
func (c NFTChain) script(now []nftRule, e listEdit) []string {
	ops := e.against(ruleTexts(now))
	at := fmt.Sprintf("%s %s %s", c.Family, word(c.Table), word(c.Chain))
	var out []string
	for _, i := range ops.Delete {
		out = append(out, fmt.Sprintf("delete rule %s handle %s", at, now[i].handle))
	}
	// All of one place go in backwards: each lands directly behind the anchor.
	for i := len(ops.Insert) - 1; i >= 0; i-- {
		in := ops.Insert[i]
		if in.After < 0 {
			out = append(out, fmt.Sprintf("insert rule %s %s", at, in.Text))
		} else {
			out = append(out, fmt.Sprintf("add rule %s handle %s %s", at, now[in.After].handle, in.Text))
		}
	}
	// An anchor has to be there while it is used: deletions come last.
	n := len(ops.Delete)
	return append(out[n:len(out):len(out)], out[:n]...)
}

// word quotes a name where nft's grammar needs it.
func word(s string) string {
	for i, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_'
		if !letter && (i == 0 || !(r >= '0' && r <= '9' || r == '-' || r == '.' || r == '/' || r == '\\')) {
			return `"` + s + `"`
		}
	}
	return s
}

// key is an element's key without timeout, comment, counter and data.
func elementKey(e string) string {
	for _, end := range []string{" timeout ", " expires ", " comment ", " counter", " : "} {
		if i := strings.Index(e, end); i >= 0 {
			e = e[:i]
		}
	}
	return strings.TrimSpace(e)
}

// few is how many elements are asked for one by one; beyond it the whole set is
// listed, which costs less then.
const few = 4

// listed gives those of the wanted elements that are in the set now, by key.
func (s NFTSet) listed(ctx context.Context, m *Machine, want []string) (map[string]string, error) {
	out := map[string]string{}
	if len(want) == 0 || s.Make != "" && !s.there(ctx, m) {
		return out, nil
	}
	if len(want) > few || s.isMap(ctx, m) { // nft 1.0 gets no elements of maps by key
		all, err := setElements(ctx, m, setAt{s.Family, s.Table, s.Set})
		for _, e := range all {
			out[elementKey(e)] = e
		}
		return out, err
	}
	for _, w := range want {
		key := elementKey(w)
		text, err := m.Run(ctx, "", "nft", "get", "element", s.Family, s.Table, s.Set, "{ "+key+" }")
		if err != nil && strings.Contains(err.Error(), "No such file or directory") {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, e := range listedElements(text) {
			if elementKey(e) == key {
				out[key] = e
			}
		}
	}
	return out, nil
}

func (s NFTSet) isMap(ctx context.Context, m *Machine) bool {
	_, err := m.Run(ctx, "", "nft", "-t", "list", "map", s.Family, s.Table, s.Set)
	return err == nil
}

// listedElements reads the elements out of a listing of one set.
func listedElements(listing string) []string {
	i := strings.Index(listing, "elements = {")
	if i < 0 {
		return nil
	}
	var out []string
	var cur strings.Builder
	quoted := false
	for _, r := range listing[i+len("elements = {"):] {
		switch {
		case r == '"':
			quoted = !quoted
			cur.WriteRune(r)
		case quoted:
			cur.WriteRune(r)
		case r == ',' || r == '}':
			if e := strings.Join(strings.Fields(cur.String()), " "); e != "" {
				out = append(out, e)
			}
			cur.Reset()
			if r == '}' {
				return out
			}
		default:
			cur.WriteRune(r)
		}
	}
	return out
}

// script is the part of the transaction that edits the set: what is there is
// deleted, what is not is added.
func (s NFTSet) script(ctx context.Context, m *Machine, del, add []string) (out []string, err error) {
	at := fmt.Sprintf("%s %s %s", s.Family, word(s.Table), word(s.Set))
	var gone, fresh []string
	now, err := s.listed(ctx, m, append(append([]string{}, del...), add...))
	if err != nil {
		return nil, err
	}
	for _, e := range del {
		if is, ok := now[elementKey(e)]; ok {
			gone = append(gone, withData(elementKey(e), is))
		}
	}
	for _, e := range add {
		if _, ok := now[elementKey(e)]; !ok {
			fresh = append(fresh, e)
		}
	}
	if len(gone) > 0 {
		out = append(out, fmt.Sprintf("delete element %s { %s }", at, strings.Join(gone, ", ")))
	}
	if len(fresh) > 0 {
		out = append(out, fmt.Sprintf("add element %s { %s }", at, strings.Join(fresh, ", ")))
	}
	return out, nil
}

// withData is a map element's key with its data, which deleting wants too.
func withData(key, listed string) string {
	if i := strings.LastIndex(listed, " : "); i >= 0 {
		return key + listed[i:]
	}
	return key
}

// there reports whether a set exists.
func (s NFTSet) there(ctx context.Context, m *Machine) bool {
	_, err := m.Run(ctx, "", "nft", "-t", "list", "set", s.Family, s.Table, s.Set)
	return err == nil
}

// nftState is what an NFT step found: the elements it deletes with all they
// carry, and whether the sets it makes were there.
type nftState struct {
	Elements map[int][]string `json:"elements,omitempty"` // by index into Sets
	There    map[int]bool     `json:"there,omitempty"`
}

func (n *NFT) look(ctx context.Context, m *Machine) (nftState, error) {
	st := nftState{Elements: map[int][]string{}, There: map[int]bool{}}
	for i, s := range n.Sets {
		if s.Make != "" {
			st.There[i] = s.there(ctx, m)
		}
		now, err := s.listed(ctx, m, s.Delete)
		if err != nil {
			return st, err
		}
		for _, e := range s.Delete {
			if is, ok := now[elementKey(e)]; ok {
				st.Elements[i] = append(st.Elements[i], is)
			}
		}
	}
	return st, nil
}

// forward is the whole transaction.
func (n *NFT) forward(ctx context.Context, m *Machine) ([]string, error) {
	var out []string
	for _, s := range n.Sets {
		if s.Make != "" && !s.there(ctx, m) {
			out = append(out, fmt.Sprintf("add set %s %s %s { %s }", s.Family, word(s.Table), word(s.Set), s.Make))
		}
		lines, err := s.script(ctx, m, s.Delete, s.Add)
		if err != nil {
			return nil, err
		}
		out = append(out, lines...)
	}
	for _, c := range n.Chains {
		now, err := nftList(ctx, m, c.Family, c.Table, c.Chain)
		if err != nil {
			return nil, err
		}
		out = append(out, c.script(now, c.listEdit)...)
	}
	return out, nil
}

// Plan shows the transaction.
func (n *NFT) Plan(ctx context.Context, m *Machine) (Change, error) {
	st, err := n.look(ctx, m)
	if err != nil {
		return Change{}, err
	}
	lines, err := n.forward(ctx, m)
	if err != nil {
		return Change{}, err
	}
	ch := Change{Before: encode(st), None: len(lines) == 0}
	rules := map[string]string{}
	for _, c := range n.Chains {
		now, _ := nftList(ctx, m, c.Family, c.Table, c.Chain) // it was just listed: this is for people
		for _, r := range now {
			rules[fmt.Sprintf("delete rule %s %s %s handle %s", c.Family, word(c.Table), word(c.Chain), r.handle)] = "   # " + r.text
		}
	}
	for _, l := range lines {
		ch.Show = append(ch.Show, "nft "+l+rules[l])
	}
	return ch, nil
}

// Apply runs the transaction.
func (n *NFT) Apply(ctx context.Context, m *Machine) error {
	lines, err := n.forward(ctx, m)
	if err != nil {
		return err
	}
	return nftRun(ctx, m, lines)
}

// Undo runs the opposite transaction: rules first, for they hold sets in use.
func (n *NFT) Undo(ctx context.Context, m *Machine, before json.RawMessage) error {
	var was nftState
	if err := json.Unmarshal(before, &was); err != nil {
		return err
	}
	var lines []string
	for _, c := range n.Chains {
		now, err := nftList(ctx, m, c.Family, c.Table, c.Chain)
		if err != nil {
			return err
		}
		lines = append(lines, c.script(now, c.inverse())...)
	}
	for i, s := range n.Sets {
		if s.Make != "" && !was.There[i] {
			if s.there(ctx, m) {
				lines = append(lines, fmt.Sprintf("delete set %s %s %s", s.Family, word(s.Table), word(s.Set)))
			}
			continue
		}
		back, err := s.script(ctx, m, s.Add, was.Elements[i])
		if err != nil {
			return err
		}
		lines = append(lines, back...)
	}
	return nftRun(ctx, m, lines)
}

func nftRun(ctx context.Context, m *Machine, lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	_, err := m.Run(ctx, strings.Join(lines, "\n")+"\n", "nft", "-f", "-")
	return err
}
