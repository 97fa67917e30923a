// Package rootfs reads files below a root directory: this machine's, a
// container's through /proc/PID/root, or a test's fixture.
//
// It never follows a symbolic link out of that root, never blocks on a pipe or
// a device, never writes, and bounds what it takes into memory.
package rootfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/collect"
	"github.com/originward/originward/internal/observe/host/procs"
)

// FS is a file tree. The zero FS is this machine's own.
type FS struct {
	Root string // directory that stands for "/"; empty = "/"
}

// Bounds of hostile trees.
const (
	maxLinks = 40   // as Linux: more symbolic links on one path are a loop
	maxNames = 8192 // names taken of one directory or pattern
)

// ErrNotRegular is the error for a pipe, device or directory where a file is
// wanted: opening one could block for ever.
var ErrNotRegular = errors.New("not a regular file")

// ErrTooLarge says that only the beginning of a file was read.
var ErrTooLarge = errors.New("file is larger than is read")

// For is the file tree as process p sees it, or the asked one when p shares
// ours.
func For(env *collect.Env, p procs.Process) FS {
	if p.Mount == fact.No && p.Dir() != "" {
		return FS{Root: filepath.Join(p.Dir(), "root")}
	}
	return FS{Root: env.Root}
}

func (f FS) own() bool { return f.Root == "" || f.Root == "/" }

// Real is where name lies for this program, with every symbolic link resolved
// inside the root.
func (f FS) Real(name string) (string, error) {
	if !filepath.IsAbs(name) {
		name = "/" + name
	}
	if f.own() {
		return filepath.Clean(name), nil
	}
	rest := filepath.Clean(name)
	at := "/"
	for links := 0; rest != ""; {
		var part string
		part, rest, _ = strings.Cut(strings.TrimPrefix(rest, "/"), "/")
		switch part {
		case "", ".":
			continue
		case "..":
			at = filepath.Dir(at)
			continue
		}
		next := filepath.Join(at, part)
		target, err := os.Readlink(filepath.Join(f.Root, next))
		if err != nil {
			at = next // no link, or not there: whoever opens it will hear why
			continue
		}
		if links++; links > maxLinks {
			return "", &fs.PathError{Op: "open", Path: name, Err: syscall.ELOOP}
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		rest = target + "/" + rest
	}
	return filepath.Join(f.Root, at), nil
}

// Open opens a regular file for reading.
func (f FS) Open(name string) (*os.File, error) {
	real, err := f.Real(name)
	if err != nil {
		return nil, err
	}
	fi, err := os.Stat(real)
	if err != nil {
		return nil, named(err, name)
	}
	if !fi.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: ErrNotRegular}
	}
	file, err := os.OpenFile(real, os.O_RDONLY|nonblock, 0)
	return file, named(err, name)
}

// Read reads at most max bytes of a file. A larger one gives its beginning and
// ErrTooLarge.
func (f FS) Read(name string, max int64) ([]byte, error) {
	file, err := f.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, max+1))
	if err != nil {
		return nil, named(err, name)
	}
	if int64(len(b)) > max {
		return b[:max], fmt.Errorf("%s: %w (%d bytes)", name, ErrTooLarge, max)
	}
	return b, nil
}

// Stat describes what name leads to.
func (f FS) Stat(name string) (fs.FileInfo, error) {
	real, err := f.Real(name)
	if err != nil {
		return nil, err
	}
	fi, err := os.Stat(real)
	return fi, named(err, name)
}

// Exists reports whether name leads to anything; unknown when that cannot be
// seen.
func (f FS) Exists(name string) fact.Tri {
	_, err := f.Stat(name)
	switch {
	case err == nil:
		return fact.Yes
	case errors.Is(err, fs.ErrNotExist):
		return fact.No
	}
	return fact.Unknown
}

// ReadDir gives the sorted names in a directory, bounded.
func (f FS) ReadDir(name string) ([]string, error) {
	real, err := f.Real(name)
	if err != nil {
		return nil, err
	}
	d, err := os.Open(real)
	if err != nil {
		return nil, named(err, name)
	}
	defer d.Close()
	names, err := d.Readdirnames(maxNames)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, named(err, name)
	}
	sort.Strings(names)
	return names, nil
}

// Glob gives the existing paths that an absolute pattern stands for, sorted,
// bounded. Only directories are searched that the pattern itself names; one
// that cannot be read is an error beside the rest.
func (f FS) Glob(pattern string) ([]string, error) {
	at := []string{"/"}
	var errs []error
	parts := strings.Split(strings.Trim(filepath.Clean(pattern), "/"), "/")
	for i, part := range parts {
		var next []string
		for _, dir := range at {
			if !Magic(part) {
				next = append(next, filepath.Join(dir, part))
				continue
			}
			names, err := f.ReadDir(dir)
			if err != nil && !errors.Is(err, fs.ErrNotExist) && !isNotDir(err) {
				errs = append(errs, err)
			}
			for _, n := range names {
				if strings.HasPrefix(n, ".") && !strings.HasPrefix(part, ".") {
					continue // as glob(3)
				}
				if ok, _ := filepath.Match(part, n); ok && len(next) < maxNames {
					next = append(next, filepath.Join(dir, n))
				}
			}
		}
		at = next
		if i == len(parts)-1 {
			break
		}
	}
	var out []string
	for _, p := range at {
		// What is there but may not be looked at stays: whoever opens it
		// will hear why.
		if _, err := f.Stat(p); err == nil || errors.Is(err, fs.ErrPermission) {
			out = append(out, p)
		}
	}
	sort.Strings(out)
	return out, errors.Join(errs...)
}

// Magic reports whether a path holds wildcards.
func Magic(path string) bool { return strings.ContainsAny(path, "*?[") }

// named makes an error speak of the path as the host names it, not of where
// we found it.
func named(err error, name string) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return &fs.PathError{Op: pe.Op, Path: name, Err: pe.Err}
	}
	return err
}

func isNotDir(err error) bool { return errors.Is(err, syscall.ENOTDIR) }
