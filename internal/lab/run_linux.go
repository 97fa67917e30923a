package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/netns"
)

// Lacks says what this machine lacks to run a world; empty = nothing.
func Lacks(w *World) string {
	if w.Local != nil {
		return ""
	}
	if err := netns.Supported(); err != nil {
		return err.Error()
	}
	var missing []string
	for _, p := range append([]string{"unshare", "nsenter", "ss"}, w.Needs...) {
		if !hasProgram(p) {
			missing = append(missing, p)
		}
	}
	if len(missing) > 0 {
		return "programs are missing: " + strings.Join(missing, ", ")
	}
	return ""
}

func hasProgram(name string) bool {
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		if _, err := os.Stat(dir + "/" + name); err == nil {
			return true
		}
	}
	_, err := exec.LookPath(name)
	return err == nil
}

// Run builds a world, sees it healthy, breaks it, diagnoses it with every
// vantage and without the deciding ones, cures it, and sees it healthy again.
func Run(ctx context.Context, w *World, o Options) (r Result) {
	began := time.Now()
	r = Result{World: w, Skipped: Lacks(w), Documented: o.Documented}
	if r.Skipped != "" {
		return r
	}
	defer func() { r.Took = time.Since(began) }()
	wrong := func(format string, a ...any) { r.Wrong = append(r.Wrong, fmt.Sprintf(format, a...)) }
	if w.Local != nil {
		runLocal(ctx, w, o, &r, wrong)
		return r
	}
	s, err := UpWith(ctx, w, o)
	if err != nil {
		wrong("%v", err)
		return r
	}
	defer func() {
		if err := s.Down(); err != nil {
			wrong("remove the world: %v", err)
		}
	}()
	if err := s.run(ctx, &r, wrong); err != nil {
		wrong("%v", err)
	}
	return r
}

func (s *Stage) run(ctx context.Context, r *Result, wrong func(string, ...any)) error {
	w := s.World
	if w.Unhealthy == "" {
		if err := s.mustBeHealthy(ctx, "before it is broken", wrong); err != nil {
			return err
		}
	}
	if err := s.Break(ctx); err != nil {
		return err
	}
	s.visitors(ctx)
	d, err := s.Diagnose(ctx, Look{Args: w.Args})
	if err != nil {
		return err
	}
	r.Broken, r.Found = d, d.RootCauses
	if r.Bundle, err = os.ReadFile(s.bundle()); err != nil {
		return err
	}
	if d.Edge != nil {
		r.Code = d.Edge.Code
	}
	checkAnswer(w, r, wrong)
	if err := checkCut(ctx, w, s.Without, wrong); err != nil {
		return err
	}
	if w.Cure == nil {
		return nil
	}
	if err := w.Cure(ctx, s); err != nil {
		return fmt.Errorf("cure: %w", err)
	}
	return s.mustBeHealthy(ctx, "after the cure", wrong)
}

// Break breaks the world.
func (s *Stage) Break(ctx context.Context) error {
	if s.World.Break == nil {
		return nil
	}
	if err := s.World.Break(ctx, s); err != nil {
		return fmt.Errorf("break: %w", err)
	}
	if s.World.Warm {
		return nil
	}
	return s.restartEdge(ctx)
}

// visitors lets as many visitors come as the edge has addresses: nobody asks
// for help with a site that nobody has visited, and logs tell of visits. What
// they get is not looked at.
func (s *Stage) visitors(ctx context.Context) {
	var wg sync.WaitGroup
	for range Egress {
		wg.Go(func() {
			_, _ = s.Client.Run(ctx, "curl", "-sko", "/dev/null", "-m", fmt.Sprint(s.patience.Seconds()), "--connect-to", "::"+s.World.front().String(), s.url())
		})
	}
	wg.Wait()
}

// mustBeHealthy waits until the edge answers below 400, and wants the
// diagnosis to say healthy too.
func (s *Stage) mustBeHealthy(ctx context.Context, when string, wrong func(string, ...any)) error {
	var last string
	err := s.wait(ctx, "a healthy site", func() bool {
		out, err := s.Client.Run(ctx, "curl", "-sko", "/dev/null", "-m", "5", "-w", "%{http_code}", "--connect-to", "::"+s.World.front().String(), s.url())
		last = out
		return err == nil && out < "400" && out > "000"
	})
	if err != nil {
		return fmt.Errorf("%s: the edge answers %s: %w", when, last, err)
	}
	d, err := s.Diagnose(ctx, Look{})
	if err != nil {
		return fmt.Errorf("%s: %w", when, err)
	}
	if len(d.RootCauses) > 0 || d.ExitCode() != originward.ExitHealthy {
		wrong("%s: called %s with %v", when, d.Status, d.RootCauses)
	}
	return nil
}

// checkAnswer compares the diagnosis of the broken world with what it should
// be.
func checkAnswer(w *World, r *Result, wrong func(string, ...any)) {
	d := r.Broken
	unanswered := r.Documented && r.Code == 0 // the edge waits longer than we do
	if w.Code != 0 && r.Code != w.Code && !unanswered {
		wrong("edge answered %d, expected %d", r.Code, w.Code)
	}
	switch exit := d.ExitCode(); {
	case w.Noisy && exit != originward.ExitHealthy:
		wrong("exit status %d (%s), expected healthy", exit, d.Status)
	case w.Undecided && exit != originward.ExitUndecided:
		wrong("exit status %d (%s), expected undecided", exit, d.Status)
	}
	least := w.standing()
	if unanswered && w.Code == 524 {
		least = originward.Likely // that the edge gives up waiting for a response has not come to pass
	}
	checkCauses(w, d, least, wrong)
}

func checkCauses(w *World, d *originward.Diagnosis, least originward.Standing, wrong func(string, ...any)) {
	for _, id := range w.Causes {
		if !slices.Contains(d.RootCauses, id) {
			wrong("%s is not named; named: %v", id, d.RootCauses)
			continue
		}
		if got := standingOf(d, id); got.Rank() > least.Rank() {
			wrong("%s stands %s, expected %s", id, got, least)
		}
	}
	for _, id := range w.Latent {
		if standingOf(d, id).Rank() > originward.Possible.Rank() {
			wrong("%s does not stand possible", id)
		}
	}
	for _, id := range d.RootCauses {
		if !slices.Contains(w.Causes, id) && !slices.Contains(w.Also, id) {
			wrong("%s is named (%s) and is not the cause", id, standingOf(d, id))
		}
	}
	for _, f := range d.Findings {
		known := slices.Contains(w.Causes, f.Cause) || slices.Contains(w.Also, f.Cause) || f.BecauseOf != nil
		if f.Standing == originward.Proved && !known && f.Cause != originward.Healthy {
			wrong("%s is proved and is not the cause", f.Cause)
		}
	}
}

// checkCut takes each deciding vantage away, one at a time and all at once.
func checkCut(ctx context.Context, w *World, without func(context.Context, ...originward.Vantage) (*originward.Diagnosis, error), wrong func(string, ...any)) error {
	cuts := [][]originward.Vantage{}
	for _, v := range w.Decides {
		cuts = append(cuts, []originward.Vantage{v})
	}
	if len(cuts) > 1 {
		cuts = append(cuts, w.Decides)
	}
	for _, vs := range cuts {
		d, err := without(ctx, vs...)
		if err != nil {
			return err
		}
		checkWithout(vs, d, wrong)
	}
	return nil
}

func checkWithout(vs []originward.Vantage, d *originward.Diagnosis, wrong func(string, ...any)) {
	for _, f := range d.Findings {
		if f.Standing == originward.Proved && f.Cause != originward.Healthy {
			wrong("without %v: %s is still proved", vs, f.Cause)
		}
	}
	for _, v := range vs {
		named := slices.ContainsFunc(d.NotObserved, func(n originward.NotObserved) bool { return n.Vantage == v })
		if !named {
			wrong("without %v: the missing vantage %s is not named", vs, v)
		}
	}
}

func standingOf(d *originward.Diagnosis, id originward.CauseID) originward.Standing {
	best := originward.RuledOut
	for _, f := range d.Findings {
		if f.Cause == id && f.Standing.Rank() < best.Rank() {
			best = f.Standing
		}
	}
	return best
}
