package report

import (
	"archive/tar"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"
)

// File is one file of an archive.
type File struct {
	Name string
	Data []byte
}

// Archive writes files as tar, compressed with zstd. Equal files at an equal
// time are equal bytes; nothing of this machine is in it.
func Archive(w io.Writer, files []File, at time.Time) error {
	z, err := zstd.NewWriter(w)
	if err != nil {
		return err
	}
	t := tar.NewWriter(z)
	for _, f := range files {
		h := tar.Header{Typeflag: tar.TypeReg, Name: f.Name, Mode: 0o644, Size: int64(len(f.Data)), ModTime: at.UTC().Truncate(time.Second)}
		if err := t.WriteHeader(&h); err != nil {
			return fmt.Errorf("archive %s: %w", f.Name, err)
		}
		if _, err := t.Write(f.Data); err != nil {
			return fmt.Errorf("archive %s: %w", f.Name, err)
		}
	}
	if err := t.Close(); err != nil {
		return err
	}
	return z.Close()
}
