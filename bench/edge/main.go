// Command edge measures the edge beside nginx, HAProxy and Caddy, in one run on one
// machine, and prints the ratios. Absolute figures hold for that machine only.
//
// The proxy under test is pinned to core 0, the origin (nginx) and the load
// generator to core 1; rounds alternate between the proxies. The peers do only what
// the case needs and log nothing; the edge runs with 40 rules, a rate limit and its
// access log. Nothing is printed when another process used the cores meanwhile,
// unless -force, which marks the figures as noisy.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

type options struct {
	edge   string
	rounds int
	length time.Duration
	conns  int
	idle   int
	only   string
	peers  string
	force  bool
}

func main() {
	var o options
	flag.StringVar(&o.edge, "edge", "bin/originward", "the edge's `program`")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds")
	flag.DurationVar(&o.length, "time", 5*time.Second, "of each measurement")
	flag.IntVar(&o.conns, "conns", 64, "connections of the load generator")
	flag.IntVar(&o.idle, "idle", 10_000, "idle connections")
	flag.StringVar(&o.only, "case", "", "only cases whose name holds this `text`")
	flag.StringVar(&o.peers, "peers", "edge,nginx,haproxy,caddy", "`list` of proxies")
	flag.BoolVar(&o.force, "force", false, "print figures although other processes used the cores")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	dir, err := os.MkdirTemp("", "bench-edge")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b, err := prepare(dir, o)
	if err != nil {
		return err
	}
	defer b.stop()
	results := newResults()
	var noise []float64
	for _, c := range cases {
		if !strings.Contains(c.name, o.only) {
			continue
		}
		for round := range o.rounds {
			if c.once && round > 0 {
				break
			}
			for _, p := range b.peers {
				if c.needs != nil && !c.needs(b, p) {
					continue
				}
				fmt.Fprintf(os.Stderr, "%-28s %s\n", c.name, p.name)
				q, err := watchQuiet(b)
				if err != nil {
					return err
				}
				v, err := c.measure(b, p)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", c.name, p.name, err)
				}
				noise = append(noise, q.others(b))
				results.add(c.name, p.name, v)
			}
		}
	}
	return report(o, b, results, noise)
}

// maxNoise is the share of one core that other processes may use during a measurement.
const maxNoise = 0.03

var errNoisy = errors.New("other processes used the cores; run again on a quiet machine, or with -force")

func report(o options, b *bench, r *results, noise []float64) error {
	if len(noise) == 0 {
		return fmt.Errorf("no case's name holds %q", o.only)
	}
	if worst := slices.Max(noise); worst > maxNoise {
		if !o.force {
			return fmt.Errorf("%.0f %% of a core: %w", 100*worst, errNoisy)
		}
		fmt.Printf("NOISY: other processes used up to %.0f %% of a core meanwhile; these figures prove nothing.\n\n", 100*worst)
	}
	r.print(os.Stdout, b.peers)
	return nil
}
