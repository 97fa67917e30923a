// Command edge measures the edge beside nginx, HAProxy and Caddy, in one run on one
// machine, and prints the ratios. Absolute figures hold for that machine only.
//
// The proxy under test is pinned to core 0, the origin (nginx) and the load
// generator to core 1; rounds alternate between the proxies. The peers do only what
// the case needs and log nothing; the edge runs with 40 rules, a rate limit and its
// access log. What another process disturbs is measured again; a case that stays disturbed
// is not printed, unless -force, which marks the figures as noisy.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"
)

type options struct {
	edge    string
	rounds  int
	length  time.Duration
	conns   int
	idle    int
	only    string
	peers   string
	force   bool
	profile string
	// The program starts itself as the generator of connections, on the other core.
	connect string
	resume  bool
}

func main() {
	var o options
	flag.StringVar(&o.edge, "edge", "bin/originward", "the edge's `program`")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds")
	flag.DurationVar(&o.length, "time", 5*time.Second, "of each measurement")
	flag.IntVar(&o.conns, "conns", 64, "connections of the load generator")
	flag.IntVar(&o.idle, "idle", 10_000, "idle connections")
	flag.StringVar(&o.only, "case", "", "only cases whose name holds this `text`")
	flag.StringVar(&o.peers, "peers", "edge,nginx,haproxy,caddy,varnish,bare", "`list` of proxies")
	flag.BoolVar(&o.force, "force", false, "print figures although other processes used the cores")
	flag.StringVar(&o.profile, "profile", "", "write to `FILE` what the edge's time went into, over all cases")
	flag.StringVar(&o.connect, "connect", "", "only open connections to this `address`, and say how many")
	flag.BoolVar(&o.resume, "resume", false, "with -connect: resume the session before")
	flag.Parse()
	if o.connect != "" {
		if err := connectAll(os.Stdout, o); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
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
	for _, c := range cases {
		if strings.Contains(c.name, o.only) {
			if err := rounds(b, c, results); err != nil {
				return err
			}
		}
	}
	return report(o, b, results)
}

// rounds measures a case with every proxy that can do it, in turn.
func rounds(b *bench, c benchCase, r *results) error {
	for round := range b.o.rounds {
		if c.once && round > 0 {
			break
		}
		for _, p := range b.peers {
			if !c.fits(b, p) {
				continue
			}
			fmt.Fprintf(os.Stderr, "%-28s %s\n", c.name, p.name)
			f, noise, err := undisturbed(b, c, p)
			if err != nil {
				return err
			}
			r.add(c.name, p.name, f)
			if !c.once { // memory does not depend on who else computes
				r.noise[c.name] = max(r.noise[c.name], noise)
			}
		}
	}
	return nil
}

var errNoisy = errors.New("other processes used the cores; run again on a quiet machine, or with -force")

func report(o options, b *bench, r *results) error {
	if len(r.values) == 0 {
		return fmt.Errorf("no case's name holds %q", o.only)
	}
	var noisy []string
	for _, c := range cases {
		if n := r.noise[c.name]; n > maxNoise {
			noisy = append(noisy, fmt.Sprintf("%s (%.0f %% of a core)", c.name, 100*n))
			if !o.force {
				delete(r.values, c.name)
				delete(r.costs, c.name)
			}
		}
	}
	if len(r.values) == 0 {
		return fmt.Errorf("%s: %w", strings.Join(noisy, ", "), errNoisy)
	}
	if len(noisy) > 0 && o.force {
		fmt.Printf("NOISY, proving nothing: %s\n\n", strings.Join(noisy, ", "))
	}
	r.print(os.Stdout, b.peers)
	if len(noisy) > 0 && !o.force {
		return fmt.Errorf("left out: %s: %w", strings.Join(noisy, ", "), errNoisy)
	}
	return nil
}
