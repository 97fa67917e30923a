package lab

import "github.com/originward/originward"

// notOnHost are causes that no change of the origin cures.
var notOnHost = map[originward.CauseID]string{}

// notHere are worlds of curable causes whose cure is not on the machine.
var notHere = map[string]string{}

// passing are worlds whose break is no state that a file, rule or unit holds,
// so that an undo cannot bring it back: what it must bring back is the state.
var passing = map[string]string{
	"cert-not-reloaded-nginx":  "the old certificate was in the server's memory alone",
	"cert-not-reloaded-apache": "the old certificate was in the server's memory alone",
	"backend-stale-dns":        "the old address was in the server's memory alone",
	"throttle-nginx-conn":      "the connections that filled the limit ended with the reload",
}
