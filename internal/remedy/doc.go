// Package remedy carries out the fix of a diagnosis, proves that it helped,
// and takes it back.
//
// A fix is a plan of typed steps: a closed list of kinds (kinds.go), each of
// which shows exactly what it will change, changes it, and takes it back from
// whatever state it was left in. No step is free shell.
//
// The order is always the same: simulate (changes of the network are made in a
// throw-away copy of the host's namespace, and the firewall model answers there
// for every range of the CDN and for the operator's own SSH connection), show,
// back up, arm a guard that outlives this process, apply, look again from the
// same vantages, and keep or undo. Every step is in a journal on disk before it
// is taken, so that whoever finds the journal can bring the former state back.
//
// To cure one more cause: one planner, and one line in the list of remedies.
// To change one more kind of thing: one type with Plan, Apply and Undo, and one
// line in the list of kinds.
package remedy
