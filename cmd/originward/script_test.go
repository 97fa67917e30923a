package main

import (
	"context"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes this test binary the originward command of the scripts.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"originward": func() { os.Exit(run(context.Background(), os.Args[1:], osStreams())) },
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                "testdata/script",
		RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("CLOUDFLARE_API_TOKEN", "")
			e.Setenv("CLOUDFLARE_BASE_URL", "")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"status": status},
	})
}

// status runs originward and wants this exit status: status N ARGS...
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status CODE ARGS...")
	}
	err := ts.Exec("originward", args[1:]...)
	got := "0"
	if err != nil {
		got = exitText(err)
	}
	if got != args[0] {
		ts.Fatalf("exit status %s, wanted %s (%v)", got, args[0], err)
	}
}
