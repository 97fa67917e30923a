package remedy

// An edit of an ordered list (the rules of a chain) that others may change at
// the same time: what we take out, what we put in, and nothing else.

// listEdit turns from into to.
type listEdit struct {
	From []string `json:"from"`
	To   []string `json:"to"`
}

// inverse turns it back.
func (e listEdit) inverse() listEdit { return listEdit{e.To, e.From} }

// listOps are the operations that bring a current list to the wanted one:
// first the deletions, by index into the current list, highest first; then the
// insertions, in order, each by the index it has once it is in.
type listOps struct {
	Delete []int
	Insert []listInsert
}

type listInsert struct {
	At   int
	Text string
	// After is the index, in the list before any change, of the entry behind
	// which it goes; -1 = at the head.
	After int
}

func (o listOps) none() bool { return len(o.Delete) == 0 && len(o.Insert) == 0 }

// against works out what is still to be done: an entry that is gone already is
// not taken out, one that is there already is not put in again.
func (e listEdit) against(now []string) listOps {
	var ops listOps
	gone := surplus(e.From, e.To)
	kept := make([]bool, len(now))
	for i := len(now) - 1; i >= 0; i-- {
		if over := count(now, now[i]) - count(e.To, now[i]); gone[now[i]] > 0 && over > 0 {
			gone[now[i]]--
			now2 := append(append([]string{}, now[:i]...), now[i+1:]...)
			ops.Delete = append(ops.Delete, i)
			now = append(append(append([]string{}, now2[:i]...), hole), now2[i:]...)
			continue
		}
		kept[i] = true
	}
	// live are the entries that stay, with their index in the list as it was.
	type entry struct {
		text string
		at   int
	}
	var live []entry
	for i, t := range now {
		if kept[i] {
			live = append(live, entry{t, i})
		}
	}
	texts := func() []string {
		var out []string
		for _, l := range live {
			out = append(out, l.text)
		}
		return out
	}
	fresh := surplus(e.To, e.From)
	at, after := 0, -1 // where the next one of To goes
	for _, want := range e.To {
		if fresh[want] > 0 && count(texts(), want) < count(e.To, want) {
			fresh[want]--
			ops.Insert = append(ops.Insert, listInsert{at, want, after})
			live = append(live[:at:at], append([]entry{{want, after}}, live[at:]...)...)
			at++
			continue
		}
		for i := at; i < len(live); i++ {
			if live[i].text == want {
				at, after = i+1, live[i].at
				break
			}
		}
	}
	return ops
}

// hole stands for an entry that is being taken out; no rule reads like it.
const hole = "\x00"

// surplus counts what a holds more of than b.
func surplus(a, b []string) map[string]int {
	out := map[string]int{}
	for _, s := range a {
		out[s]++
	}
	for _, s := range b {
		out[s]--
	}
	return out
}

func count(list []string, s string) int {
	n := 0
	for _, l := range list {
		if l == s {
			n++
		}
	}
	return n
}
