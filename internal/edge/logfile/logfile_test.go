package logfile

import (
	"os"
	"path/filepath"
	"testing"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		return "-"
	}
	return string(b)
}

func TestRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	l, err := Open(path, 10, 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"one 1\n", "two\n", "three\n", "four\n", "five 12345 longer than allowed\n", "six\n"} {
		if _, err := l.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	// "one 1\ntwo\n" has ten bytes, "three\nfour\n" eleven.
	for name, want := range map[string]string{path: "six\n", path + ".1": "five 12345 longer than allowed\n", path + ".2": "four\n", path + ".3": "-"} {
		if got := read(t, name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	l, err := Open(path, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	l.Write([]byte("before\n"))
	if err := os.Rename(path, path+".moved"); err != nil {
		t.Fatal(err)
	}
	l.Write([]byte("still there\n"))
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	l.Write([]byte("after\n"))
	if got := read(t, path+".moved"); got != "before\nstill there\n" {
		t.Errorf("moved: %q", got)
	}
	if got := read(t, path); got != "after\n" {
		t.Errorf("new: %q", got)
	}
	if _, err := Open(filepath.Join(t.TempDir(), "no", "a.log"), 0, 0); err == nil {
		t.Error("a folder that is not there is written to")
	}
}
