package lab

import "github.com/originward/originward"

// notOnHost are causes that no change of the origin cures.
var notOnHost = map[originward.CauseID]string{}

// notHere are worlds of curable causes whose cure is not on the machine.
var notHere = map[string]string{}
