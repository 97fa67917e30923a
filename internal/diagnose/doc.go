// Package diagnose turns a bundle of evidence into a diagnosis.
//
// Explain is pure and deterministic: the same bundle gives the same bytes, in
// whatever order its evidence stands, on whatever machine and day. It judges
// every cause of the catalogue over one view of the evidence, lowers what the
// evidence does not carry, folds consequences under their causes, and says
// what was not looked at and which look would decide.
package diagnose
