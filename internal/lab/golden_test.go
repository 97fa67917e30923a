package lab

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"
)

const goldenDir = "testdata/golden"

// TestGoldens explains the saved evidence of worlds again: the same evidence
// gives the same diagnosis, byte for byte. After a wanted change, write them
// anew with `originward lab golden --dir internal/lab/testdata/golden` and
// read the diff; UPDATE_DIAGNOSES=1 keeps the evidence and writes the
// diagnoses only.
func TestGoldens(t *testing.T) {
	names, err := Goldens(goldenDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			bundle, err := readGolden(goldenDir, name)
			if err != nil {
				t.Fatal(err)
			}
			got, err := goldenDiagnosis(bundle)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(goldenDir, name+".json")
			if os.Getenv("UPDATE_DIAGNOSES") != "" {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("the diagnosis differs from %s\n%s", file, firstDifference(got, want))
			}
			again, err := normalise(bundle)
			if err != nil || !bytes.Equal(again, bundle) {
				t.Errorf("a golden made equal again is another one: %v\n%s", err, firstDifference(again, bundle))
			}
		})
	}
}

// firstDifference shows the first line that differs.
func firstDifference(got, want []byte) string {
	g, w := bytes.Split(got, []byte("\n")), bytes.Split(want, []byte("\n"))
	for i := range min(len(g), len(w)) {
		if !bytes.Equal(g[i], w[i]) {
			return "got:  " + string(g[i]) + "\nwant: " + string(w[i])
		}
	}
	return "one is longer"
}

// readGolden reads a golden's bundle.
func readGolden(dir, name string) ([]byte, error) {
	f, err := os.Open(filepath.Join(dir, name+".json.gz"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}
