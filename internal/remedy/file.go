package remedy

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// maxFile bounds a file that is changed: configuration is small.
const maxFile = 16 << 20

// file is the state of one file. Its time of change is not part of it.
type file struct {
	Path    string      `json:"path"`
	There   bool        `json:"there"`
	Content []byte      `json:"content,omitempty"`
	Mode    fs.FileMode `json:"mode,omitempty"`
	UID     int         `json:"uid"`
	GID     int         `json:"gid"`
}

// readFile reads the state of a file. A path that leads through a symbolic
// link is read, and later written, at its end.
func readFile(path string) (file, error) {
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return file{Path: path, UID: -1, GID: -1}, nil
	}
	if err != nil {
		return file{}, err
	}
	st, err := os.Stat(real)
	if err != nil {
		return file{}, err
	}
	if !st.Mode().IsRegular() {
		return file{}, fmt.Errorf("%s is no regular file", path)
	}
	if st.Size() > maxFile {
		return file{}, fmt.Errorf("%s is larger than %d MiB", path, maxFile>>20)
	}
	f := file{Path: real, There: true, Mode: st.Mode().Perm() | st.Mode()&(fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky)}
	f.UID, f.GID = owner(st)
	f.Content, err = os.ReadFile(real)
	return f, err
}

// write puts the state in place, whole or not at all.
func (f file) write() error {
	if !f.There {
		if err := os.Remove(f.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return syncDir(filepath.Dir(f.Path))
	}
	return replaceFile(f)
}

func replaceFile(f file) (err error) {
	dir := filepath.Dir(f.Path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, ".originward-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = tmp.Close()
			_ = os.Remove(tmp.Name())
		}
	}()
	if _, err := tmp.Write(f.Content); err != nil {
		return err
	}
	if f.UID >= 0 {
		if err := tmp.Chown(f.UID, f.GID); err != nil {
			return err
		}
	}
	if err := tmp.Chmod(f.Mode); err != nil {
		return err
	}
	if err := tmp.Sync(); err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), f.Path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes renames and removals in a directory last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// same reports whether two states are equal for whoever reads the file. An
// owner of -1 is whoever writes a new file.
func (f file) same(g file) bool {
	owned := f.UID < 0 || g.UID < 0 || f.UID == g.UID && f.GID == g.GID
	return f.There == g.There && (!f.There || bytes.Equal(f.Content, g.Content) && f.Mode == g.Mode && owned)
}

// putBack writes files as they were; changed tells whether any was not so.
func putBack(were []file) (changed bool, err error) {
	for _, f := range were {
		now, err := readFile(f.Path)
		if err != nil {
			return changed, err
		}
		if now.same(f) {
			continue
		}
		if err := f.write(); err != nil {
			return changed, fmt.Errorf("write %s: %w", f.Path, err)
		}
		changed = true
	}
	return changed, nil
}
