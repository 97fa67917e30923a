package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// writeTo writes a result to the named file, whole or not at all, or to
// standard output when name is empty or "-".
func writeTo(s streams, name string, write func(w io.Writer, colour bool, width int) error) error {
	if name == "" || name == "-" {
		return write(s.out, s.colour, s.width)
	}
	tmp, err := os.CreateTemp(filepath.Dir(name), ".originward-*")
	if err != nil {
		return usageError(fmt.Errorf("write %s: %w", name, err))
	}
	defer os.Remove(tmp.Name())
	if err := write(tmp, false, 0); err != nil {
		tmp.Close()
		return err
	}
	if err := tmp.Close(); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	// Evidence of a host is for its owner's eyes.
	if err := os.Chmod(tmp.Name(), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return os.Rename(tmp.Name(), name)
}
