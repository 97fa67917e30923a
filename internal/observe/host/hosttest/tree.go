// Package hosttest makes file trees for the tests of host evidence.
package hosttest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/originward/originward/internal/observe/host/rootfs"
)

// Tree writes the files of an archive below a new root. A file begins with a
// line "-- path --", absolute or relative to dir.
func Tree(t testing.TB, dir, archive string) rootfs.FS {
	t.Helper()
	root := t.TempDir()
	Write(t, root, dir, archive)
	return rootfs.FS{Root: root}
}

// Write writes the files of an archive below root.
func Write(t testing.TB, root, dir, archive string) {
	t.Helper()
	name, text := "", ""
	flush := func() {
		if name == "" {
			return
		}
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, line := range strings.SplitAfter(archive, "\n") {
		trimmed := strings.TrimSpace(line)
		if strings.HasPrefix(trimmed, "-- ") && strings.HasSuffix(trimmed, " --") && len(trimmed) > 6 {
			flush()
			name, text = strings.TrimSpace(trimmed[3:len(trimmed)-3]), ""
			if !filepath.IsAbs(name) {
				name = filepath.Join(dir, name)
			}
			continue
		}
		text += line
	}
	flush()
}
