package zonesync

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
)

// Step is one change.
type Step struct {
	Zone string // empty = of the account: lists
	Text string // one line: "+ …" is added, "- …" taken out, "~ …" changed

	kind  stepKind
	value any
}

type stepKind int

const (
	addZone stepKind = iota
	dropZone
	pause
	setting
	addRecord
	dropRecord
	putRecord
	ruleset
	putPool
	dropPool
	putBalancer
	dropBalancer
	addEntry
	dropEntry
	putList
)

// settingValue is a step's value: a setting.
type settingValue struct {
	name  string
	value any
}

// rulesetValue is a step's value: the rules of a phase.
type rulesetValue struct {
	phase string
	rules []Rule
}

// Compare gives the steps from what is there to what is wanted. Zones that are
// not wanted are taken out only with prune.
func Compare(have, want *Document, prune bool) []Step {
	there := map[string]Zone{}
	for _, z := range have.Zones {
		there[z.Name] = z
	}
	out := compareLists(have.Lists, want.Lists) // rules may use them
	pools, last := compareObjects("", "pool", have.Pools, want.Pools, putPool, dropPool, prune)
	out = append(out, pools...)
	wanted := map[string]bool{}
	for _, w := range want.Zones {
		wanted[w.Name] = true
		h, ok := there[w.Name]
		if !ok {
			out = append(out, Step{Zone: w.Name, Text: "+ zone " + w.Name, kind: addZone})
		}
		out = append(out, compareZone(h, w)...)
	}
	if prune {
		for _, h := range have.Zones {
			if !wanted[h.Name] {
				out = append(out, Step{Zone: h.Name, Text: fmt.Sprintf("- zone %s with %d records", h.Name, len(h.Records)), kind: dropZone, value: h.id})
			}
		}
	}
	return append(out, last...) // when no load balancer has them any more
}

func compareZone(h, w Zone) []Step {
	var out []Step
	add := func(kind stepKind, value any, format string, args ...any) {
		out = append(out, Step{w.Name, fmt.Sprintf(format, args...), kind, value})
	}
	if h.Paused != w.Paused {
		add(pause, w.Paused, "~ paused %t -> %t", h.Paused, w.Paused)
	}
	for _, name := range slices.Sorted(maps.Keys(w.Settings)) {
		if now := h.Settings[name]; text(now) != text(w.Settings[name]) {
			add(setting, settingValue{name, w.Settings[name]}, "~ setting %s %s -> %s", name, text(now), text(w.Settings[name]))
		}
	}
	out = append(out, compareRecords(h, w)...)
	// A document without rulesets says nothing about them.
	phases := map[string]bool{}
	for p := range w.Rulesets {
		phases[p] = true
	}
	if w.Rulesets != nil {
		for p := range h.Rulesets {
			phases[p] = true
		}
	}
	for _, p := range slices.Sorted(maps.Keys(phases)) {
		out = append(out, compareRules(w.Name, p, h.Rulesets[p], w.Rulesets[p])...)
	}
	out = append(out, compareEntries(h, w)...)
	more, gone := compareObjects(w.Name, "load balancer", h.LoadBalancers, w.LoadBalancers, putBalancer, dropBalancer, w.LoadBalancers != nil)
	return append(append(out, gone...), more...)
}

// key is what tells records apart; the rest of a record can be changed.
func (r Record) key() string {
	return fmt.Sprintf("%s\x00%s\x00%s\x00%s", r.Name, r.Type, r.Content, text(r.Priority))
}

func (r Record) rest() string {
	return text([]any{r.Proxied, r.TTL, r.Comment, append([]string{}, r.Tags...)})
}

func (r Record) String() string {
	s := r.Name + " " + r.Type + " "
	if r.Priority != nil {
		s += fmt.Sprintf("%d ", *r.Priority)
	}
	s += r.Content
	var notes []string
	if r.Proxied {
		notes = append(notes, "proxied")
	} else if r.TTL > 1 {
		notes = append(notes, fmt.Sprintf("ttl %d", r.TTL))
	}
	if r.Comment != "" {
		notes = append(notes, fmt.Sprintf("comment %q", r.Comment))
	}
	if len(r.Tags) > 0 {
		notes = append(notes, "tags "+strings.Join(r.Tags, " "))
	}
	if len(notes) > 0 {
		s += " (" + strings.Join(notes, ", ") + ")"
	}
	return s
}

func compareRecords(h, w Zone) []Step {
	there := map[string]Record{}
	for _, r := range h.Records {
		there[r.key()] = r
	}
	var out []Step
	wanted := map[string]bool{}
	for _, r := range w.Records {
		wanted[r.key()] = true
		old, ok := there[r.key()]
		r.id = old.id
		switch {
		case !ok:
			out = append(out, Step{w.Name, "+ " + r.String(), addRecord, r})
		case old.rest() != r.rest():
			out = append(out, Step{w.Name, fmt.Sprintf("~ %s  <-  %s", r, old), putRecord, r})
		}
	}
	for _, r := range h.Records {
		if !wanted[r.key()] {
			out = append(out, Step{w.Name, "- " + r.String(), dropRecord, r})
		}
	}
	// What is taken out comes first, as it is carried out.
	order := map[stepKind]int{dropRecord: 0, putRecord: 1, addRecord: 2}
	sort.SliceStable(out, func(i, j int) bool { return order[out[i].kind] < order[out[j].kind] })
	return out
}

func compareRules(zone, phase string, have, want []Rule) []Step {
	lines := func(rules []Rule) []string {
		out := make([]string, len(rules))
		for i, r := range rules {
			out[i] = text(r.plain())
		}
		return out
	}
	h, w := lines(have), lines(want)
	if slices.Equal(h, w) {
		return nil
	}
	t := fmt.Sprintf("~ rules of %s, %d -> %d", phase, len(h), len(w))
	for _, l := range h {
		if !slices.Contains(w, l) {
			t += "\n    - " + l
		}
	}
	for _, l := range w {
		if !slices.Contains(h, l) {
			t += "\n    + " + l
		}
	}
	return []Step{{zone, t, ruleset, rulesetValue{phase, want}}}
}

// text is a value in a form that can be compared and shown.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}
