// Package burst diagnoses a site by itself when its requests fail in numbers, and
// keeps what came of it for the owner.
//
// The edge tells of bursts as its configuration asks for; one diagnosis runs at a
// time, within a time limit, and no more than a few an hour. It looks as `originward
// diagnose` run on the edge would, the edge's own record included.
package burst
