// Package causes is the catalogue of reasons for which an edge cannot get a
// good answer from an origin, and how each is judged.
//
// A cause is a value: its id, the codes it produces, where it is fixed, what
// must be seen to prove it, and a pure function from a View of the evidence to
// verdicts. Judging never does I/O and never looks at a clock.
//
// # How a standing comes about
//
// A judge asks a chain of three-valued questions (Check): yes, no, not
// observed. Every check says what "no" and "not observed" cost. The standing
// is the worst of these costs, so proved means that every question was asked
// of the world and answered yes, those that exclude the look-alikes included:
//
//	proved     a failure was observed, the mechanism was seen on the vantage
//	           that decides, and every look-alike is excluded
//	likely     the mechanism is visible and the main look-alikes are excluded,
//	           but a vantage that would exclude the rest was not looked at
//	possible   fits what was seen, and so does at least one look-alike
//	ruled_out  an observation contradicts it
//
// A problem that was seen on a site that answers well is possible at most: it
// is latent. Package diagnose applies these caps once more over all verdicts,
// folds consequences under their causes and names the root causes.
package causes
