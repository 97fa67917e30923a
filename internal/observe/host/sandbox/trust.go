//go:build unix

package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// trusted reports an error unless the file and every directory above it belong
// to root (or to us) and can be written by nobody else: running anything else
// as root would hand root to whoever can write it.
func trusted(path string) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	for p := real; ; p = filepath.Dir(p) {
		st, err := os.Lstat(p)
		if err != nil {
			return err
		}
		if err := safe(st, p == real); err != nil {
			return fmt.Errorf("%w: %s %w", ErrUntrusted, p, err)
		}
		if p == filepath.Dir(p) {
			return nil
		}
	}
}

// staff is the group to which Debian gives /usr/local; its policy holds it for
// as trusted as root (debian-policy 9.1.2).
const staff = 50

func safe(st os.FileInfo, file bool) error {
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return ErrUnsupported
	}
	if sys.Uid != 0 && int(sys.Uid) != os.Geteuid() {
		return fmt.Errorf("belongs to user %d", sys.Uid)
	}
	sticky := st.Mode()&os.ModeSticky != 0 && !file
	if st.Mode().Perm()&0o002 != 0 && !sticky {
		return fmt.Errorf("can be written by anyone")
	}
	if st.Mode().Perm()&0o020 != 0 && sys.Gid != 0 && sys.Gid != staff && !sticky {
		return fmt.Errorf("can be written by group %d", sys.Gid)
	}
	return nil
}
