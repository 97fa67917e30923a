package diagnose

import (
	"testing"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/causes"
)

// TestHostEvidenceOfAnotherDay: what the host said within a day proves, what it
// said before leaves a cause likely, and says that it is to be collected again.
func TestHostEvidenceOfAnotherDay(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		age  time.Duration
		want originward.Standing
	}{{time.Hour, originward.Proved}, {23 * time.Hour, originward.Proved}, {7 * 24 * time.Hour, originward.Likely}, {-48 * time.Hour, originward.Likely}} {
		e := &explained{b: &originward.Bundle{AskedAt: now, Evidence: []originward.Evidence{
			{ID: "e1", Vantage: originward.Outside, At: now.Add(-tc.age)},
			{ID: "e2", Vantage: originward.Host, At: now.Add(-tc.age)},
		}}}
		v := &causes.Verdict{Finding: originward.Finding{Standing: originward.Proved, For: []string{"e1", "e2"}}}
		e.ofToday(v)
		if v.Standing != tc.want {
			t.Errorf("of %v before: %s, want %s", tc.age, v.Standing, tc.want)
		}
		if (v.Next != nil) != (tc.want == originward.Likely) {
			t.Errorf("of %v before: next %v", tc.age, v.Next)
		}
		other := &causes.Verdict{Finding: originward.Finding{Standing: originward.Proved, For: []string{"e1"}}}
		if e.ofToday(other); other.Standing != originward.Proved {
			t.Errorf("of %v before, not cited: %s", tc.age, other.Standing)
		}
	}
}
