package originward

import "time"

// DiagnosisSchema names the format of a diagnosis.
const DiagnosisSchema = "originward.diagnosis/1"

// Status is the state of the hop as a whole.
type Status string

// The four states. Degraded means that some subjects work and others do not.
const (
	StatusHealthy  Status = "healthy"
	StatusDegraded Status = "degraded"
	StatusBroken   Status = "broken"
	StatusUnknown  Status = "unknown"
)

// EdgeAnswer is what the edge answered a visitor when asked. Code 0 means that
// it was not asked or did not answer. With Pending it had not answered when we
// left, and Code and Fault are what its wait comes to unless the origin answers yet.
type EdgeAnswer struct {
	Code    int       `json:"code"`            // HTTP status
	Error   int       `json:"error,omitempty"` // number on the page where it differs: 1000, 1016, 1020 …
	Fault   FaultType `json:"fault,omitempty"`
	Pending bool      `json:"pending,omitempty"`
	Ray     string    `json:"ray,omitempty"`
	At      time.Time `json:"at,omitzero"`
}

// Diagnosis is the answer to "why": findings, root causes, and the evidence
// they cite. RootCauses lists findings that stand proved or likely and follow
// from no other, most certain first; it is empty when healthy or undecided.
type Diagnosis struct {
	Schema      string        `json:"schema"`
	Host        string        `json:"host"`
	AskedAt     time.Time     `json:"asked_at"`
	DurationMS  int64         `json:"duration_ms"`
	Status      Status        `json:"status"`
	Edge        *EdgeAnswer   `json:"edge"`
	RootCauses  []CauseID     `json:"root_causes"`
	Findings    []Finding     `json:"findings"`
	Evidence    []Evidence    `json:"evidence"`
	NotObserved []NotObserved `json:"not_observed"`
}

// Exit codes of the commands that diagnose.
const (
	ExitHealthy     = 0  // nothing is broken
	ExitCauseFound  = 1  // a cause stands proved or likely
	ExitUndecided   = 2  // broken, and no cause is certain enough
	ExitNothingSeen = 3  // nothing could be observed
	ExitInternal    = 4  // a bug of ours
	ExitUsage       = 64 // the command line or a file it names is wrong
)

// ExitCode is the exit status of a command that ends with this diagnosis.
func (d *Diagnosis) ExitCode() int {
	switch {
	case len(d.RootCauses) > 0:
		return ExitCauseFound
	case d.Status == StatusHealthy:
		return ExitHealthy
	case len(d.Evidence) == 0 || d.Status == StatusUnknown:
		return ExitNothingSeen
	}
	return ExitUndecided
}
