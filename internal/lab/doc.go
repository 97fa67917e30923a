// Package lab builds broken worlds: a visitor, an edge with CDN addresses, a
// router and an origin host of real software, each in a network namespace of
// its own, with one thing broken. Every world knows which edge code and which
// causes must be found, how it is cured, and what must then be true.
//
// The origin host also has its own root file system (an overlay over this
// machine's), processes and host name, so that nothing a world does reaches
// the machine. Removing a world removes all of it.
//
// To add a world: one function that returns it, and one line in the list of
// its family.
package lab
