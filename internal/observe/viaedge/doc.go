// Package viaedge looks at a site as a visitor does, through the CDN's edge:
// what the edge answers, who made the answer, and whether it is the same each
// time. From an Originward edge it also reads the edge's own record of its
// exchanges with the origin.
//
// It observes and never judges. Names that resolve to no edge are not visited
// through one: that is said as not observed.
package viaedge
