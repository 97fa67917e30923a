package burst

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/edge"
	"github.com/originward/originward/internal/report"
)

// defaultKeep is how many diagnoses are kept where the configuration does not say.
const defaultKeep = 50

// shelf keeps the last diagnoses: in a folder, or, without one, in memory.
type shelf struct {
	dir string // empty = memory
	log *slog.Logger

	mu    sync.Mutex
	items []item // oldest first; guarded by mu
}

type item struct {
	edge.Diagnosed
	whole, evidence []byte // without a folder
}

// file is a diagnosis as it is kept and given.
type file struct {
	edge.Diagnosed
	Diagnosis json.RawMessage `json:"diagnosis"`
}

var idForm = regexp.MustCompile(`^\d{8}T\d{6}Z-[0-9a-f]{8}$`)

// Endings of what is kept. The evidence is what `originward explain` reads.
const (
	wholeEnd    = ".json"
	evidenceEnd = ".evidence.json"
	maxWhole    = 64 << 20
)

// openShelf reads what lies in a folder; what cannot be read is left alone and told of.
func openShelf(dir string, log *slog.Logger) (*shelf, error) {
	s := &shelf{dir: dir, log: log}
	if dir == "" {
		return s, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("diagnoses: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("diagnoses: %w", err)
	}
	for _, e := range entries { // by name, which begins with the time
		id, ok := strings.CutSuffix(e.Name(), wholeEnd)
		if !ok || !idForm.MatchString(id) {
			continue
		}
		var f file
		if err := s.load(id, &f); err != nil || f.ID != id {
			log.Warn("a kept diagnosis cannot be read", "diagnosis", id, "error", err)
			continue
		}
		s.items = append(s.items, item{Diagnosed: f.Diagnosed})
	}
	return s, nil
}

func (s *shelf) load(id string, f *file) error {
	path := filepath.Join(s.dir, id+wholeEnd)
	if info, err := os.Stat(path); err != nil || info.Size() > maxWhole {
		return errors.Join(err, fmt.Errorf("%s is not to be read whole", path))
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, f)
}

// add keeps a diagnosis and drops what is beyond keep.
func (s *shelf) add(sum edge.Diagnosed, d *originward.Diagnosis, b *originward.Bundle, keep int) error {
	var diagnosis, evidence bytes.Buffer
	if err := errors.Join(report.JSON(&diagnosis, d), report.Bundle(&evidence, b)); err != nil {
		return fmt.Errorf("write the diagnosis: %w", err)
	}
	whole, err := json.Marshal(file{sum, diagnosis.Bytes()})
	if err != nil {
		return fmt.Errorf("write the diagnosis: %w", err)
	}
	it := item{Diagnosed: sum}
	if s.dir == "" {
		it.whole, it.evidence = whole, evidence.Bytes()
	} else if err := errors.Join(s.write(sum.ID+evidenceEnd, evidence.Bytes()), s.write(sum.ID+wholeEnd, whole)); err != nil {
		return fmt.Errorf("keep the diagnosis: %w", err)
	}
	if keep <= 0 {
		keep = defaultKeep
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.items = append(s.items, it)
	for len(s.items) > keep {
		s.drop(s.items[0].ID)
		s.items = slices.Delete(s.items, 0, 1)
	}
	return nil
}

// write puts a file in place whole; only its owner reads it.
func (s *shelf) write(name string, raw []byte) error {
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path+".new", raw, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func (s *shelf) drop(id string) {
	if s.dir == "" {
		return
	}
	for _, end := range []string{wholeEnd, evidenceEnd} {
		if err := os.Remove(filepath.Join(s.dir, id+end)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.log.Warn("an old diagnosis stays", "diagnosis", id, "error", err)
		}
	}
}

func (s *shelf) list() []edge.Diagnosed {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]edge.Diagnosed, 0, len(s.items))
	for _, it := range slices.Backward(s.items) {
		out = append(out, it.Diagnosed)
	}
	return out
}

func (s *shelf) read(id string, evidence bool) ([]byte, error) {
	s.mu.Lock()
	i := slices.IndexFunc(s.items, func(it item) bool { return it.ID == id })
	var it item
	if i >= 0 {
		it = s.items[i]
	}
	s.mu.Unlock()
	end, raw := wholeEnd, it.whole
	if evidence {
		end, raw = evidenceEnd, it.evidence
	}
	switch {
	case i < 0:
		return nil, nil
	case s.dir == "":
		return raw, nil
	}
	return os.ReadFile(filepath.Join(s.dir, id+end))
}
