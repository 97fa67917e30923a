//go:build !unix

package main

import "os/exec"

// detach does nothing: nothing is kept here.
func detach(*exec.Cmd) {}

func detached() {}
