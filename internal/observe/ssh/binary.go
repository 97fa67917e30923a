package ssh

import (
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// machines are the names of architectures in uname -m.
var machines = map[string]string{
	"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64", "armv7l": "arm", "armv6l": "arm",
	"i686": "386", "i386": "386", "riscv64": "riscv64", "ppc64le": "ppc64le", "s390x": "s390x", "loongarch64": "loong64",
}

// Binary finds this program for another machine: this one itself where it
// fits, else a file beside it named originward-linux-arm64 and so on. A static
// one is preferred, for it runs whatever C library the other machine has.
func Binary(goos, goarch string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoBinary, err)
	}
	if r, err := filepath.EvalSymlinks(self); err == nil {
		self = r
	}
	return choose(self, goos == runtime.GOOS && goarch == runtime.GOARCH, goos+"-"+goarch)
}

// choose picks among this program, when it fits, and the files beside it.
func choose(self string, fits bool, target string) (string, error) {
	if fits && static(self) {
		return self, nil
	}
	name := "originward-" + target
	dir := filepath.Dir(self)
	for _, p := range []string{filepath.Join(dir, name), filepath.Join(dir, "..", "share", "originward", name), filepath.Join(dir, "..", "lib", "originward", name)} {
		if st, err := os.Stat(p); err == nil && st.Mode().IsRegular() {
			return p, nil
		}
	}
	if fits {
		return self, nil // dynamically linked: runs where the C library is the same
	}
	return "", fmt.Errorf("%w: this program runs on %s-%s, the remote is %s; put the release's file %s beside %s",
		ErrNoBinary, runtime.GOOS, runtime.GOARCH, target, name, self)
}

// static reports whether a program needs no interpreter and so no library.
func static(file string) bool {
	f, err := elf.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return false
		}
	}
	return true
}
