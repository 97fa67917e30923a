package edge

import (
	"net/http"
	"testing"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/config"
)

// So many failures within the window make a burst, and the next one comes after the gap.
func TestOutbreak(t *testing.T) {
	d := config.Diagnosis{On: true, Failures: 3, Window: 10 * time.Second, Gap: time.Minute}
	var o outbreak
	for i, step := range []struct {
		at   float64 // seconds
		want bool
	}{
		{0, false}, {6, false}, {11, false}, // the first has left the window
		{12, true},                                // 6, 11, 12
		{12.1, false}, {12.2, false}, {13, false}, // within the gap
		{72.5, false}, {73, false}, {74, true},
	} {
		if got := o.fail(time.Unix(1000, 0).Add(time.Duration(step.at*float64(time.Second))), d); got != step.want {
			t.Errorf("failure %d at %v s makes a burst: %v, want %v", i, step.at, got, step.want)
		}
	}
	one := config.Diagnosis{On: true, Failures: 1, Window: time.Second, Gap: time.Minute}
	if !o.fail(time.Unix(2000, 0), one) || o.fail(time.Unix(2001, 0), one) {
		t.Error("one failure is enough where one is asked for, once in a gap")
	}
}

// What was found is said of failures of the same kind only, and not for ever.
func TestCauseSoFar(t *testing.T) {
	at := time.Unix(1000, 0)
	var o outbreak
	if o.cause(at, originward.PhaseConnect, originward.ConnectionRefused, 521) != nil {
		t.Error("a cause before any diagnosis")
	}
	o.diagnosed(&Diagnosed{ID: "x", At: at, Phase: originward.PhaseConnect, Fault: originward.ConnectionRefused, Code: 521})
	for _, c := range []struct {
		after time.Duration
		phase originward.Phase
		fault originward.FaultType
		code  int
		want  bool
	}{
		{time.Minute, originward.PhaseConnect, originward.ConnectionRefused, 521, true},
		{current + time.Second, originward.PhaseConnect, originward.ConnectionRefused, 521, false},
		{time.Minute, originward.PhaseConnect, originward.ConnectionTimeout, 522, false},
		{time.Minute, originward.PhaseTLS, originward.ConnectionRefused, 521, false},
		{time.Minute, "", "", 503, false},
	} {
		if got := o.cause(at.Add(c.after), c.phase, c.fault, c.code) != nil; got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// What counts as a failure: the origin's, not what rules answer and visitors do.
func TestFailures(t *testing.T) {
	status := 200
	w := plain(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
	cfg := *w.edge.Config()
	cfg.Diagnosis = config.Diagnosis{On: true, Failures: 1, Window: time.Second, Gap: time.Nanosecond}
	if err := w.edge.Apply(&cfg); err != nil {
		t.Fatal(err)
	}
	bursts := make(chan Burst, 20)
	w.edge.OnBurst(func(b Burst) { bursts <- b })
	told := 0
	for _, c := range []struct {
		status int
		counts bool
	}{{200, false}, {404, false}, {501, false}, {500, true}, {503, true}, {522, true}} {
		status = c.status
		w.get("http://shop.example/")
		told++
		w.last(told)
		select {
		case b := <-bursts:
			if !c.counts || b.Code != c.status || b.Fault != "" || b.Zone != "shop.example" {
				t.Errorf("%d: %+v", c.status, b)
			}
		default:
			if c.counts {
				t.Errorf("%d is no failure", c.status)
			}
		}
	}
	w.get("http://shop.example/", "CF-Connecting-IP", "192.0.2.1") // a loop, or who pretends one
	w.last(told + 1)
	if len(bursts) != 0 {
		t.Errorf("a visitor's own doing: %+v", <-bursts)
	}
}
