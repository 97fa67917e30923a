package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// results are the figures of all rounds.
type results struct {
	values, costs map[string]map[string][]float64 // case, proxy
	noise         map[string]float64              // case: the largest share of a core that others used
}

func newResults() *results {
	return &results{values: map[string]map[string][]float64{}, costs: map[string]map[string][]float64{}, noise: map[string]float64{}}
}

func (r *results) add(name, proxy string, f figure) {
	put(r.values, name, proxy, f.value)
	if f.cpu > 0 {
		put(r.costs, name, proxy, f.cpu)
	}
}

func put(m map[string]map[string][]float64, name, proxy string, v float64) {
	if m[name] == nil {
		m[name] = map[string][]float64{}
	}
	m[name][proxy] = append(m[name][proxy], v)
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// ratio is the median of the rounds' ratios: rounds alternate, so that what slows a
// round down slows both.
func ratio(a, b []float64) float64 {
	var rs []float64
	for i := range min(len(a), len(b)) {
		if b[i] > 0 {
			rs = append(rs, a[i]/b[i])
		}
	}
	return median(rs)
}

// print writes two tables: each proxy's median with its ratio to nginx (or whom the
// target names) behind it,
// and the same for the processor time per request, where less is better.
func (r *results) print(w io.Writer, peers []*peer) {
	r.table(w, peers, r.values, func(c benchCase) string { return c.unit }, func(c benchCase) string { return c.target })
	fmt.Fprintln(w, "\nProcessor time per request, with the ratio to nginx's:")
	r.table(w, peers, r.costs, func(benchCase) string { return "µs" }, func(benchCase) string { return "" })
}

func (r *results) table(w io.Writer, peers []*peer, m map[string]map[string][]float64, unit, target func(benchCase) string) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "case\tunit")
	for _, p := range peers {
		fmt.Fprintf(t, "\t%s", p.name)
	}
	fmt.Fprintln(t, "\tedge must")
	for _, c := range cases {
		f := m[c.name]
		if f == nil {
			continue
		}
		var row strings.Builder
		fmt.Fprintf(&row, "%s\t%s", c.name, unit(c))
		for _, p := range peers {
			v := f[p.name]
			if len(v) == 0 {
				row.WriteString("\t–")
				continue
			}
			fmt.Fprintf(&row, "\t%s", text(median(v)))
			if x := ratio(v, f[c.base()]); x > 0 && p.name != c.base() {
				fmt.Fprintf(&row, " (%.2f)", x)
			}
		}
		fmt.Fprintf(t, "%s\t%s\n", row.String(), target(c))
	}
	_ = t.Flush() // writes to standard output, whose failure nobody could be told
}

func text(v float64) string {
	if v < 100 {
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.0f", v)
}
