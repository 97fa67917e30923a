package diagnose

import (
	"testing"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// TestOutsideAndEdgeOnly looks from outside and through the edge alone: what
// these two can tell is at most likely where the host would decide, and where
// they fit several causes none is named and the deciding look is.
func TestOutsideAndEdgeOnly(t *testing.T) {
	for _, c := range []struct {
		world string
		names originward.CauseID // likely; empty = undecided
		next  originward.Question
	}{
		{"nginx stopped", "listener.none", ""},
		{"tls port missing", "listener.tls-port-missing", ""},
		{"family missing", "listener.family-missing", ""},
		{"aaaa unserved", "dns.aaaa-unserved", ""},
		{"cert expired", "tls.cert-expired", ""},
		{"444", "http.close-without-response", ""},
		{"port closed, drop", "", fact.QFirewall},
		{"port closed, prohibited", "", fact.QFirewall},
		{"range blocked, reset", "", fact.QFirewall},
		{"fail2ban reject", "", fact.QFirewall},
		{"allow list stale", "", fact.QFirewall},
		{"connector cut off", "", fact.QTunnel},
	} {
		t.Run(c.world, func(t *testing.T) {
			d := Explain(world(c.world)().Without(originward.Host, originward.CDN).Bundle(), Options{})
			if c.names != "" {
				only(t, d, c.names)
				if got := stands(d, c.names); got != originward.Likely {
					t.Errorf("%s stands %s", c.names, got)
				}
				return
			}
			only(t, d)
			if d.ExitCode() != originward.ExitUndecided {
				t.Errorf("exit %d", d.ExitCode())
			}
			for _, f := range d.Findings {
				if f.Cause == originward.Undetermined && (f.Next == nil || f.Next.Observe != originward.Host || f.Next.Question != c.next) {
					t.Errorf("next %+v, want host %s\n%s", f.Next, c.next, dump(d))
				}
			}
		})
	}
}

// TestRefusalThatTookASecond: an ICMP answer of a packet filter is reported as
// a refusal too, and takes longer than a socket's: then nothing is named.
func TestRefusalThatTookASecond(t *testing.T) {
	w := world("nginx stopped")().Without(originward.Host, originward.CDN)
	for i := range w.Direct {
		if w.Direct[i].Fault != nil {
			w.Direct[i].Fault.AfterMS = 1010
		}
	}
	d := Explain(w.Bundle(), Options{})
	if got := stands(d, "listener.none"); got != originward.Possible || len(d.RootCauses) > 0 {
		t.Errorf("a slow refusal: listener.none stands %s, roots %v", got, d.RootCauses)
	}
}
