package main

import (
	"bytes"
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/originward/originward"
)

func exitText(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return strconv.Itoa(exit.ExitCode())
	}
	return err.Error()
}

func TestAPanicIsABugAndExits4(t *testing.T) {
	var errs bytes.Buffer
	code := guarded(&errs, func() int { panic("boom") })
	if code != originward.ExitInternal || !strings.Contains(errs.String(), "boom") || strings.Contains(errs.String(), "goroutine") {
		t.Errorf("%d %q", code, errs.String())
	}
}

func TestEveryCommandHasHelpAndExitsOnWrongArguments(t *testing.T) {
	var out, errs bytes.Buffer
	s := streams{out: &out, err: &errs}
	for _, c := range newRootCmd(s).Commands() {
		if c.Short == "" || c.Args == nil && !isBuiltin(c) {
			t.Errorf("%s: no short help, or arguments are not checked", c.Name())
		}
		if isBuiltin(c) {
			continue
		}
		if code := run(t.Context(), []string{c.Name(), "--no-such-flag"}, s); code != originward.ExitUsage {
			t.Errorf("%s --no-such-flag: exit %d", c.Name(), code)
		}
	}
}

func isBuiltin(c *cobra.Command) bool { return c.Name() == "completion" || c.Name() == "help" }
