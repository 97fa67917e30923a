package lab

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/diagnose"
)

// A golden is the evidence of a broken world, with what differs from run to
// run made equal, beside the diagnosis that it must give for ever: bundle
// NAME.json.gz, diagnosis NAME.json. The diagnosis leaves out the evidence,
// which the bundle holds, so that a change of mind is readable as a diff.

// WriteGolden normalises a world's bundle and writes it with its diagnosis
// into a directory.
func WriteGolden(dir, name string, bundle []byte) error {
	calm, err := normalise(bundle)
	if err != nil {
		return fmt.Errorf("golden %s: %w", name, err)
	}
	d, err := goldenDiagnosis(calm)
	if err != nil {
		return fmt.Errorf("golden %s: %w", name, err)
	}
	if err := sameRoots(bundle, d); err != nil {
		return fmt.Errorf("golden %s: %w", name, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var zipped bytes.Buffer
	// The header stays empty of names and times, so that equal evidence is equal bytes.
	z, err := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := z.Write(calm); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, name+".json.gz"), zipped.Bytes(), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name+".json"), d, 0o644)
}

// goldenDiagnosis explains a bundle and gives the diagnosis without what the
// bundle holds itself.
func goldenDiagnosis(bundle []byte) ([]byte, error) {
	b, err := fact.ReadBundle(bytes.NewReader(bundle))
	if err != nil {
		return nil, err
	}
	d := diagnose.Explain(b, diagnose.Options{})
	d.Evidence = []originward.Evidence{}
	raw, err := json.MarshalIndent(d, "", " ")
	return append(raw, '\n'), err
}

// Goldens lists the worlds that have a golden in a directory.
func Goldens(dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json.gz"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no goldens in %s; name worlds, or give --all", dir)
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".json.gz"))
	}
	return names, nil
}

// sameRoots wants the causes of the evidence as it was found to be those of the
// golden: what is made equal must decide nothing.
func sameRoots(found, golden []byte) error {
	d, err := goldenDiagnosis(found)
	if err != nil {
		return err
	}
	var was, is originward.Diagnosis
	if err := json.Unmarshal(d, &was); err != nil {
		return err
	}
	if err := json.Unmarshal(golden, &is); err != nil {
		return err
	}
	slices.Sort(was.RootCauses)
	slices.Sort(is.RootCauses)
	if !slices.Equal(was.RootCauses, is.RootCauses) || was.Status != is.Status {
		return fmt.Errorf("the evidence says %s %v, and made equal it says %s %v", was.Status, was.RootCauses, is.Status, is.RootCauses)
	}
	return nil
}
