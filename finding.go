package originward

// Standing is how certain a cause is for one subject. The zero Standing is
// invalid; StandingUnknown is the value for "could not be judged".
type Standing string

// The standings. Proved needs evidence that excludes every look-alike; one
// vantage short of that is at most likely.
const (
	Proved          Standing = "proved"
	Likely          Standing = "likely"
	Possible        Standing = "possible"
	RuledOut        Standing = "ruled_out"
	StandingUnknown Standing = "unknown"
)

// Rank orders standings, the most certain first: proved 0, likely 1,
// possible 2, unknown 3, ruled_out 4.
func (s Standing) Rank() int {
	switch s {
	case Proved:
		return 0
	case Likely:
		return 1
	case Possible:
		return 2
	case RuledOut:
		return 4
	}
	return 3
}

// Named reports whether the standing is enough to name the cause as one.
func (s Standing) Named() bool { return s == Proved || s == Likely }

// Next is the observation that would decide an undecided finding.
type Next struct {
	Observe  Vantage  `json:"observe"`
	Question Question `json:"question,omitempty"`
	How      string   `json:"how"` // a command, or what to ask whom
}

// Step is one action of a fix, with its way back.
type Step struct {
	Run  string `json:"run"`            // command or exact edit
	Undo string `json:"undo,omitempty"` // how to take it back; empty = nothing to take back
	On   Where  `json:"on"`
	Risk string `json:"risk,omitempty"`
}

// Fix is how a cause is cured and how the cure is proved.
type Fix struct {
	Summary string `json:"summary"`
	Steps   []Step `json:"steps,omitempty"`
	Verify  string `json:"verify,omitempty"` // the check that proves the cure
}

// Finding is a cause's standing for one subject.
type Finding struct {
	Cause     CauseID  `json:"cause"`
	Standing  Standing `json:"standing"`
	Title     string   `json:"title"`
	Where     Where    `json:"where"`
	Subject   Subject  `json:"subject"`
	BecauseOf *CauseID `json:"because_of"` // the cause this follows from; nil = none
	For       []string `json:"for"`        // ids of evidence that speaks for it
	Against   []string `json:"against"`    // ids of evidence that speaks against it
	Why       string   `json:"why,omitempty"`
	Next      *Next    `json:"next,omitempty"`
	Fix       *Fix     `json:"fix,omitempty"`
}
