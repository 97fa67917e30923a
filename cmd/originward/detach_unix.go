//go:build unix

package main

import (
	"os/exec"
	"os/signal"
	"syscall"
)

// detach lets a command outlive this one and its terminal.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// detached keeps this process alive when whoever started it listens no more.
func detached() { signal.Ignore(syscall.SIGPIPE, syscall.SIGHUP) }
