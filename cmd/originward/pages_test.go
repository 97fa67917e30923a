package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/originward/originward/internal/causes"
)

// TestPagesAreCurrent keeps docs/causes and docs/codes what `originward causes
// --dir docs` writes.
func TestPagesAreCurrent(t *testing.T) {
	fresh := t.TempDir()
	list := causes.Catalogue()
	if err := writePages(filepath.Join(fresh, "causes"), list); err != nil {
		t.Fatal(err)
	}
	if err := writeCodes(filepath.Join(fresh, "codes"), list); err != nil {
		t.Fatal(err)
	}
	docs := filepath.Join("..", "..", "docs")
	for _, dir := range []string{"causes", "codes"} {
		want, have := pages(t, filepath.Join(fresh, dir)), pages(t, filepath.Join(docs, dir))
		if len(want) == 0 || len(have) != len(want) {
			t.Errorf("docs/%s has %d pages, wanted %d", dir, len(have), len(want))
		}
		for name, text := range want {
			if have[name] != text {
				t.Errorf("docs/%s/%s is not current: run `originward causes --dir docs`", dir, name)
			}
		}
	}
}

func pages(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	names, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		raw, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(n)] = string(raw)
	}
	return out
}
