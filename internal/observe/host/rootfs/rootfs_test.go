//go:build unix

package rootfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/originward/originward/fact"
)

func tree(t *testing.T) FS {
	t.Helper()
	root := t.TempDir()
	for _, d := range []string{"etc/nginx/sites-enabled", "etc/nginx/sites-available", "var"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("etc/nginx/nginx.conf", "main")
	write("etc/nginx/sites-available/shop", "shop")
	write("etc/nginx/sites-enabled/.hidden", "hidden")
	link := func(target, name string) {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("/etc/nginx/sites-available/shop", "etc/nginx/sites-enabled/shop")
	link("../../../../../../../etc/hostname", "etc/nginx/sites-enabled/escape")
	link("loop", "etc/loop")
	link("/etc/nginx", "var/conf")
	return FS{Root: root}
}

func TestLinksStayInside(t *testing.T) {
	f := tree(t)
	b, err := f.Read("/var/conf/sites-enabled/shop", 100)
	if err != nil || string(b) != "shop" {
		t.Errorf("an absolute link read %q, %v", b, err)
	}
	if _, err := f.Read("/etc/nginx/sites-enabled/escape", 100); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a link out of the root gave %v, want that it does not exist inside", err)
	}
	if _, err := f.Read("/../../../../etc/hostname", 100); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("dot-dot out of the root gave %v", err)
	}
	if _, err := f.Read("/etc/loop", 100); err == nil {
		t.Error("a link loop was read")
	}
}

func TestErrorsNameTheHostsPath(t *testing.T) {
	f := tree(t)
	_, err := f.Read("/etc/none", 10)
	if err == nil || !strings.Contains(err.Error(), "/etc/none") || strings.Contains(err.Error(), f.Root) {
		t.Errorf("error %v names another path", err)
	}
	if f.Exists("/etc/none") != fact.No || f.Exists("/etc/nginx") != fact.Yes {
		t.Error("Exists is wrong")
	}
}

func TestNeverBlocks(t *testing.T) {
	f := tree(t)
	if err := syscall.Mkfifo(filepath.Join(f.Root, "var/pipe"), 0o644); err != nil {
		t.Skipf("no pipes here: %v", err)
	}
	if _, err := f.Read("/var/pipe", 10); !errors.Is(err, ErrNotRegular) {
		t.Errorf("a pipe gave %v", err)
	}
	if _, err := f.Read("/var", 10); !errors.Is(err, ErrNotRegular) {
		t.Errorf("a directory gave %v", err)
	}
}

func TestReadIsBounded(t *testing.T) {
	f := tree(t)
	b, err := f.Read("/etc/nginx/nginx.conf", 2)
	if string(b) != "ma" || !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %q, %v", b, err)
	}
}

func TestGlob(t *testing.T) {
	f := tree(t)
	for pattern, want := range map[string][]string{
		"/etc/nginx/sites-enabled/*": {"/etc/nginx/sites-enabled/shop"},
		"/etc/*/nginx.conf":          {"/etc/nginx/nginx.conf"},
		"/var/conf/*.conf":           {"/var/conf/nginx.conf"},
		"/none/*":                    nil,
		"/etc/nginx/nginx.conf/*":    nil,
		"/etc/nginx/nginx.conf":      {"/etc/nginx/nginx.conf"},
		"/etc/nginx/missing.conf":    nil,
	} {
		got, err := f.Glob(pattern)
		if !slices.Equal(got, want) || err != nil {
			t.Errorf("Glob(%s) = %v, %v, want %v", pattern, got, err, want)
		}
	}
}

func FuzzReal(f *testing.F) {
	for _, s := range []string{"/", "../..", "/a/../../b", "a//b/./c", "\x00", "/var/conf/../x"} {
		f.Add(s)
	}
	root := f.TempDir()
	if err := os.Symlink("/..", filepath.Join(root, "var")); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got, err := FS{Root: root}.Real(name)
		if err == nil && got != root && !strings.HasPrefix(got, root+"/") {
			t.Errorf("Real(%q) = %q leaves the root", name, got)
		}
	})
}
