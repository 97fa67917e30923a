// Package originward is the vocabulary of Originward: the words in which the
// hop between a CDN's edge and an origin server is measured and explained.
//
// It holds nouns and contracts only. It imports the standard library, does no
// I/O, and every zero value in it means "not known", never "fine" and never
// "broken".
//
// A reader starts here:
//
//	Fault      what went wrong in one exchange, and in which phase      fault.go
//	Codes      the one table from a fault to 520–526, 530, 502, 504     code.go
//	Evidence   what was observed, from which vantage, never judged      evidence.go
//	Cause      why it broke; the catalogue is internal/causes           cause.go
//	Finding    a cause's standing, with evidence for and against        finding.go
//	Diagnosis  the findings, the root causes, the fix                   diagnosis.go
//
// The flow through the house has one direction:
//
//	observe ──▶ Evidence ──▶ causes ──▶ Diagnosis ──▶ report
//	(I/O, never judges)      (pure, never does I/O)
package originward
