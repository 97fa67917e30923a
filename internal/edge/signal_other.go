//go:build !unix

package edge

import "os"

// notifyRenew: this system has no signal for it.
func notifyRenew(chan<- os.Signal) {}
