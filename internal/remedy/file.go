package remedy

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// tempNames are the names of files that are being written.
const tempNames = ".originward-*"

// maxFile bounds a file that is changed: configuration is small.
const maxFile = 16 << 20

// file is the state of one file.
type file struct {
	Path    string      `json:"path"`
	There   bool        `json:"there"`
	Content []byte      `json:"content,omitempty"`
	Mode    fs.FileMode `json:"mode,omitempty"`
	UID     int         `json:"uid"`
	GID     int         `json:"gid"`
	// Attrs are the extended attributes: access control lists, labels.
	Attrs map[string][]byte `json:"attrs,omitempty"`
	// Changed is when the content was written, which a file gets back; zero = now.
	Changed time.Time `json:"changed,omitzero"`
	// Dirs are the directories above a file that is not there which are not there
	// either, the outermost first.
	Dirs []string `json:"dirs,omitempty"`
}

// readFile reads the state of a file. A path that leads through a symbolic
// link is read, and later written, at its end.
func readFile(path string) (file, error) {
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return file{Path: path, UID: -1, GID: -1, Dirs: missingDirs(path)}, nil
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
	f.Attrs, f.Changed = attributes(real), st.ModTime()
	f.Content, err = os.ReadFile(real)
	return f, err
}

// missingDirs are the directories above a path that are not there, the outermost
// first.
func missingDirs(path string) (out []string) {
	for d := filepath.Dir(path); ; d = filepath.Dir(d) {
		if _, err := os.Lstat(d); !errors.Is(err, fs.ErrNotExist) || d == filepath.Dir(d) {
			slices.Reverse(out)
			return out
		}
		out = append(out, d)
	}
}

// write puts the state in place, whole or not at all.
func (f file) write() error {
	if !f.There {
		if err := os.Remove(f.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return f.dropDirs()
	}
	return replaceFile(f)
}

// dropDirs removes the directories that were made for a file, as far as nobody
// put anything else there.
func (f file) dropDirs() error {
	top := filepath.Dir(f.Path)
	for _, d := range slices.Backward(f.Dirs) {
		if err := os.Remove(d); err != nil && !errors.Is(err, fs.ErrNotExist) {
			break
		}
		top = filepath.Dir(d)
	}
	return syncDir(top)
}

func replaceFile(f file) (err error) {
	dir := filepath.Dir(f.Path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, tempNames)
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
	if err := setAttributes(tmp.Name(), f.Attrs); err != nil {
		return err
	}
	if !f.Changed.IsZero() {
		if err := os.Chtimes(tmp.Name(), time.Time{}, f.Changed); err != nil {
			return err
		}
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
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it went before: an undo that was interrupted
	}
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
		// One that was killed while it wrote leaves its beginning behind; there is
		// one fix at a time.
		half, _ := filepath.Glob(filepath.Join(filepath.Dir(f.Path), tempNames))
		for _, h := range half {
			_ = os.Remove(h)
		}
		if now.same(f) {
			if !f.There {
				_ = f.dropDirs()
			}
			continue
		}
		if err := f.write(); err != nil {
			return changed, fmt.Errorf("write %s: %w", f.Path, err)
		}
		changed = true
	}
	return changed, nil
}
