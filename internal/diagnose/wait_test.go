package diagnose

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	bt "github.com/originward/originward/internal/causes/bundletest"
)

// leave turns every failing visit of a world into one that left before the
// edge, at its documented 19 s, gave up: the visitor knows no more than that
// the edge waited, and the edge's record what it waited for, in the form given.
func leave(w *bt.World, as string) *bt.World {
	for i := range w.Visits {
		if w.Visits[i].Status >= 520 {
			v := &w.Visits[i]
			*v = fact.EdgeAnswer{Target: v.Target, Scheme: v.Scheme, Host: v.Host, Path: v.Path, MS: 2950, Failure: &fact.Fault{
				Phase: originward.PhaseFirstByte, Type: originward.HTTPResponseTimeout, Code: 524, AfterMS: 2950, Ended: "timeout",
			}}
		}
	}
	for i := range w.Record.Items {
		x := &w.Record.Items[i]
		if x.Fault == "" {
			continue
		}
		x.Code, x.Error, x.Fault = 500, 0, originward.ProxyInternalError
		x.Phases = []fact.PhaseTime{{Phase: x.Phase, MS: 2900}}
		switch as {
		case left:
			x.Code, x.Fault, x.Left = 499, "", true
		case waiting:
			x.Code, x.Fault = 0, ""
			w.Record.Waiting = append(w.Record.Waiting, *x)
		}
	}
	if as == waiting {
		w.Record.Items = slices.DeleteFunc(w.Record.Items, func(x fact.EdgeExchange) bool { return x.Code == 0 })
	}
	return w
}

// The forms in which an exchange whose visitor left can be on record: as an error of
// the edge (which other edges may still say), as one that was left, as one under way.
const (
	faulted = "faulted"
	left    = "left"
	waiting = "waiting"
)

// TestEdgeStillWaits: what a look finds must not depend on whether the edge had
// given up when we left.
func TestEdgeStillWaits(t *testing.T) {
	tried := 0
	for _, c := range all() {
		whole := Explain(c.world().Bundle(), Options{})
		if whole.Edge == nil || whole.Edge.Code != 522 || atOnce[c.name] {
			continue
		}
		tried++
		for _, as := range []string{faulted, left, waiting} {
			t.Run(c.name+"/"+as, func(t *testing.T) {
				d := Explain(leave(c.world(), as).Bundle(), Options{})
				only(t, d, c.want...)
				for _, id := range c.want {
					if got, want := stands(d, id), stands(whole, id); got != want {
						t.Errorf("%s stands %s, and %s once the edge has answered\n%s", id, got, want, dump(d))
					}
				}
				if d.Edge == nil || whole.Edge.Fault != originward.ConnectionTimeout {
					return
				}
				if inConnect := slices.ContainsFunc(c.world().Record.Items, func(x fact.EdgeExchange) bool { return x.Phase == originward.PhaseConnect }); inConnect != (d.Edge.Code == 522 && d.Edge.Pending) {
					t.Errorf("the edge's answer is given as %+v, connect: %v", d.Edge, inConnect)
				}
			})
		}
	}
	if tried < 10 {
		t.Errorf("only %d cases in which the edge answers 522", tried)
	}
}

// atOnce are cases whose 522 comes without a wait: the CDN's own platform gives
// it, and no connect is tried.
var atOnce = map[string]bool{"platform unclaimed": true, "worker fetches itself": true, "worker on another port": true}

// TestImpatientVisitors: strangers who leave slow pages make no site broken.
func TestImpatientVisitors(t *testing.T) {
	w := bt.Healthy()
	for i := range 5 {
		x := w.Record.Items[0]
		x.Ray, x.At = fmt.Sprintf("%016x", 900+i), x.At.Add(time.Duration(i)*time.Millisecond)
		x.Code, x.Phase, x.Fault = 500, originward.PhaseFirstByte, originward.ProxyInternalError
		x.Phases = []fact.PhaseTime{{Phase: originward.PhaseConnect, MS: 1, Done: true}, {Phase: originward.PhaseFirstByte, MS: 900}}
		w.Record.Items = append(w.Record.Items, x)
	}
	if d := Explain(w.Bundle(), Options{}); d.Status != originward.StatusHealthy {
		t.Errorf("status %s\n%s", d.Status, dump(d))
	}
	w.Visits = nil // nobody visited the edge for this look
	if d := Explain(w.Bundle(), Options{}); d.Status != originward.StatusHealthy {
		t.Errorf("without visits of our own: status %s\n%s", d.Status, dump(d))
	}
}
