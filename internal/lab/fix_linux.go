package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/originward/originward"
)

// Fix builds a world, breaks it, diagnoses it, lets `originward fix` cure it
// on the origin, wants a good answer through the edge, takes the fix back, and
// wants rules, files and processes as they were before.
func Fix(ctx context.Context, w *World, o Options) (r FixResult) {
	began := time.Now()
	r = FixResult{World: w, Skipped: Lacks(w), Not: notCurable(w)}
	if r.Skipped != "" || r.Not != "" {
		return r
	}
	defer func() { r.Took = time.Since(began) }()
	o.ownZone = needsZone(w)
	s, err := UpWith(ctx, w, o)
	if err == nil && s.ownZone {
		err = s.makeZone(ctx)
	}
	if err != nil {
		r.Wrong = append(r.Wrong, err.Error())
		if s != nil {
			_ = s.Down()
		}
		return r
	}
	defer func() {
		if err := s.Down(); err != nil {
			r.Wrong = append(r.Wrong, "remove the world: "+err.Error())
		}
	}()
	if err := s.fixAndUndo(ctx, &r); err != nil {
		r.Wrong = append(r.Wrong, err.Error())
	}
	return r
}

func (s *Stage) fixAndUndo(ctx context.Context, r *FixResult) error {
	wrong := func(format string, a ...any) { r.Wrong = append(r.Wrong, fmt.Sprintf(format, a...)) }
	if s.World.Unhealthy == "" {
		if err := s.wait(ctx, "a healthy site", func() bool { c := s.visit(ctx); return c > 0 && c < 400 }); err != nil {
			return err
		}
	}
	if s.World.Break != nil {
		if err := s.World.Break(ctx, s); err != nil {
			return fmt.Errorf("break: %w", err)
		}
	}
	if err := s.restartEdge(ctx); err != nil { // no connection from before speaks for the cure
		return err
	}
	s.visitors(ctx)
	d, err := s.Diagnose(ctx, Look{Args: s.World.Args})
	if err != nil {
		return err
	}
	r.Broken = edgeCode(d)
	before, err := s.state(ctx)
	if err != nil {
		return err
	}
	run, undo := s.runFix, func(id string) error { _, err := s.Origin.Run(ctx, installed, "undo", id); return err }
	if curedAtCDN(s.World) {
		run, undo = s.fixFromHere, func(id string) error {
			_, err := s.Client.Run(ctx, s.Exe, "undo", id, "--journal", s.journal())
			return err
		}
	}
	rep, err := run(ctx)
	if err != nil {
		return err
	}
	for _, st := range rep.Plan.Steps {
		r.Steps = append(r.Steps, st.Title)
	}
	if rep.Result.Outcome != "kept" {
		wrong("the fix was not kept: %s %s%s", rep.Result.Outcome, rep.Result.Why, rep.leftText())
		return s.compare(ctx, before, wrong)
	}
	if err := s.restartEdge(ctx); err != nil {
		return err
	}
	if r.Cured = s.everyEgress(ctx); r.Cured >= 400 || r.Cured == 0 {
		wrong("after the fix the edge answers %d", r.Cured)
	}
	if err := undo(rep.Result.ID); err != nil {
		wrong("undo: %v", err)
	}
	if err := s.restartEdge(ctx); err != nil { // a server that was reloaded waits for the connections that the edge keeps
		return err
	}
	if _, ok := passing[s.World.Name]; ok {
		for _, live := range []string{"listeners", "processes"} {
			delete(before, live)
		}
		return s.compare(ctx, before, wrong)
	}
	if err := s.compare(ctx, before, wrong); err != nil {
		return err
	}
	return s.codeAsBefore(ctx, d, r, wrong)
}

// looksAfter bounds how often the world is looked at again after the undo: what
// breaks for one address of the edge is not met at every look.
const looksAfter = 3

// codeAsBefore wants the edge to answer after the undo what it answered before
// the fix, or the same cause to be found.
func (s *Stage) codeAsBefore(ctx context.Context, d *originward.Diagnosis, r *FixResult, wrong func(string, ...any)) error {
	for n := range looksAfter {
		if err := s.restartEdge(ctx); err != nil {
			return err
		}
		s.visitors(ctx)
		again, err := s.Diagnose(ctx, Look{Args: s.World.Args})
		if err != nil {
			return err
		}
		r.Undone = edgeCode(again)
		if r.Undone == r.Broken || r.Undone >= 400 && slices.Equal(again.RootCauses, d.RootCauses) {
			return nil
		}
		if n == looksAfter-1 {
			wrong("after the undo the edge answers %d with %v, before the fix %d with %v", r.Undone, again.RootCauses, r.Broken, d.RootCauses)
		}
	}
	return nil
}

// visit is the status that a visitor gets; 0 = none.
func (s *Stage) visit(ctx context.Context) int {
	out, err := s.Client.Run(ctx, "curl", "-sko", "/dev/null", "-m", "6", "-w", "%{http_code}", "--connect-to", "::"+EdgeFront.String(), s.url())
	if err != nil {
		return 0
	}
	code := 0
	_, _ = fmt.Sscan(out, &code)
	return code
}

// everyEgress is the worst of the answers that as many visits get as the edge
// has addresses to leave from.
func (s *Stage) everyEgress(ctx context.Context) int {
	worst := 0
	for range Egress {
		c := s.visit(ctx)
		if c == 0 {
			return 0
		}
		worst = max(worst, c)
	}
	return worst
}

func edgeCode(d *originward.Diagnosis) int {
	if d.Edge == nil {
		return 0
	}
	return d.Edge.Code
}

// fixReport is what `originward fix --format json` prints, as far as it is
// looked at.
type fixReport struct {
	Plan struct {
		Steps []struct {
			Title string `json:"title"`
		} `json:"steps"`
		Left []struct {
			Cause string `json:"cause"`
			Why   string `json:"why"`
		} `json:"left"`
	} `json:"plan"`
	Note   string `json:"note"`
	Result struct {
		ID      string `json:"id"`
		Outcome string `json:"outcome"`
		Why     string `json:"why"`
	} `json:"result"`
}

func (r fixReport) leftText() string {
	out := r.Note
	for _, l := range r.Plan.Left {
		out += "; left: " + l.Cause + ": " + l.Why
	}
	return out
}

// runFix gives the origin the evidence and what else a diagnosis needs, and
// runs the fix there.
func (s *Stage) runFix(ctx context.Context) (rep fixReport, err error) {
	for from, to := range map[string]string{s.bundle(): "/root/bundle.json", s.caFile(): "/root/roots.pem", s.tokenFile(): "/root/token"} {
		raw, err := os.ReadFile(from)
		if err != nil {
			return rep, err
		}
		if err := s.Origin.Write(to, string(raw)); err != nil {
			return rep, err
		}
	}
	args := []string{"fix", "/root/bundle.json", "--yes", "--format", "json", "--ca-file", "/root/roots.pem", "--edge", EdgeFront.String(),
		"--resolver", Resolver.String(), "--cdn-api", s.apiURL(), "--cdn-token-file", "/root/token", "--within", "2m"}
	return readFix(s.Origin, s.Origin.Command(ctx, installed, args...))
}

// readFix runs a fix and reads what it prints.
func readFix(n *Node, cmd *exec.Cmd) (rep fixReport, err error) {
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := n.NS.Start(cmd); err != nil {
		return rep, err
	}
	waitErr := cmd.Wait()
	if err := json.Unmarshal(out.Bytes(), &rep); err != nil {
		return rep, fmt.Errorf("fix printed no plan: %w: %s %s", waitErr, out.String(), errs.String())
	}
	return rep, nil
}

// listings show the state that a fix may change, counters aside, each with the
// expressions that blank what changes by itself.
var listings = []struct{ name, script string }{
	{"nft", `nft list ruleset | sed -E 's/packets [0-9]+ bytes [0-9]+/packets N bytes N/; s/expires [0-9a-z]+/expires T/g; s/timeout [0-9a-z]*ms /timeout T /g'`},
	{"iptables", `for t in iptables-nft-save ip6tables-nft-save iptables-legacy-save ip6tables-legacy-save; do echo "== $t"; $t 2>/dev/null | sed -E '/^#/d; s/\[[0-9]+:[0-9]+\]/[N:N]/'; done`},
	{"ipset", `ipset save 2>/dev/null | sed -E 's/timeout [0-9]+$/timeout T/; s/ (bucketsize|initval) [^ ]+//g' | sort`},
	{"routes", `{ ip route show table all; ip -6 route show table all; } | grep -v -e fe80: -e ff00: | sed 's/ expires [0-9a-z]*//; s/ linkdown//'; ip rule; ip -6 rule`},
	{"sysctl", `for k in net.ipv4.conf.all.rp_filter net.ipv4.conf.eth0.rp_filter net.ipv4.conf.eth1.rp_filter net.ipv4.ip_local_port_range net.ipv6.conf.all.disable_ipv6 net.core.somaxconn; do sysctl -n $k 2>/dev/null || echo -; done`},
	{"listeners", `ss -Hltn | awk '{print $4}' | sort`},
	{"processes", `ps -eo comm= | sort | uniq -c | grep -E 'nginx|apache2|haproxy|lighttpd|caddy|php-fpm|fail2ban|python3' || true`},
	{"units", `ls -l /etc/systemd/system/*.wants /etc/rc*.d 2>/dev/null | grep -v ^total | awk '{print $9,$10,$11}'`},
	{"files", `cd / && for d in etc var/www usr/local/bin usr/local/sbin opt; do find $d -xdev -type f ! -path usr/local/bin/originward -printf '%p %m %U %G %TY-%Tm-%TdT%TT\n' -o -type d -printf '%p %m\n' -o -type l -printf '%p -> %l\n'; done | sort; find etc var/www usr/local/bin usr/local/sbin opt -xdev -type f ! -path usr/local/bin/originward -print0 | xargs -0r sha256sum | sort`},
}

// state is everything that a fix may change, by listing.
func (s *Stage) state(ctx context.Context) (map[string]string, error) {
	out := map[string]string{}
	for _, l := range listings {
		text, err := s.Origin.Run(ctx, "/bin/sh", "-c", l.script)
		if err != nil {
			return nil, fmt.Errorf("listing of %s: %w", l.name, err)
		}
		out[l.name] = text
	}
	if s.ownZone {
		text, err := s.zones(ctx, "export")
		if err != nil {
			return nil, err
		}
		out[listingCDN] = text
	}
	return out, nil
}

// compare wants the state of before, and shows what differs.
func (s *Stage) compare(ctx context.Context, before map[string]string, wrong func(string, ...any)) error {
	var after map[string]string
	same := func() bool {
		var err error
		if after, err = s.state(ctx); err != nil {
			return false
		}
		for name, was := range before {
			if was != after[name] {
				return false
			}
		}
		return true
	}
	if same() || s.waitBriefly(ctx, same) {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if before[name] != after[name] {
			wrong("%s differ after the undo:\n%s", name, differences(before[name], after[name]))
		}
	}
	return nil
}

// listingCDN is the zone at the CDN, where it can be changed.
const listingCDN = "zone at the CDN"

// waitBriefly gives processes that are about to end a moment.
func (s *Stage) waitBriefly(ctx context.Context, ok func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	return poll(ctx, "the former state", ok) == nil
}

// differences lists lines that only one side has, bounded.
func differences(before, after string) string {
	a, b := strings.Split(before, "\n"), strings.Split(after, "\n")
	var out []string
	for _, l := range a {
		if !slices.Contains(b, l) {
			out = append(out, "      - "+l)
		}
	}
	for _, l := range b {
		if !slices.Contains(a, l) {
			out = append(out, "      + "+l)
		}
	}
	if len(out) == 0 {
		out = []string{"      the order of lines"}
	}
	return strings.Join(out[:min(len(out), 12)], "\n")
}
