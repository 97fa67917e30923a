package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/originward/originward/internal/causes"
)

// TestCausePagesAreCurrent keeps docs/causes what `originward causes --dir
// docs/causes` writes.
func TestCausePagesAreCurrent(t *testing.T) {
	fresh := t.TempDir()
	list := causes.Catalogue()
	if err := writePages(fresh, list); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join("..", "..", "docs", "causes")
	for _, k := range list {
		name := string(k.ID) + ".md"
		want, err := os.ReadFile(filepath.Join(fresh, name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || string(got) != string(want) {
			t.Errorf("%s is not current (%v): run `originward causes --dir docs/causes`", name, err)
		}
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil || len(pages) != len(list) {
		t.Errorf("%d pages for %d causes (%v)", len(pages), len(list), err)
	}
}
