package redact

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// MapSchema names the format of a saved map.
const MapSchema = "originward.redaction/1"

// maxMap bounds a map that is read.
const maxMap = 64 << 20

// Map says what each substitute stands for. It is its owner's alone: with it,
// an answer that names a substitute can be read. The same map used again gives
// the same substitutes.
type Map struct {
	Schema  string  `json:"schema"`
	Key     string  `json:"key"` // hex; hashes secrets and moves the last bits of addresses
	Entries []Entry `json:"entries"`

	key   []byte
	index map[Kind]map[string]string // real → substitute
}

// Entry is one substitution. Of a secret, Real is a keyed hash.
type Entry struct {
	Kind       Kind   `json:"kind"`
	Real       string `json:"real"`
	Substitute string `json:"substitute"`
}

// NewMap makes an empty map with a key from random, usually crypto/rand.Reader.
func NewMap(random io.Reader) (*Map, error) {
	key := make([]byte, 16)
	if random == nil {
		random = rand.Reader
	}
	if _, err := io.ReadFull(random, key); err != nil {
		return nil, fmt.Errorf("redaction key: %w", err)
	}
	m := &Map{Schema: MapSchema, Key: hex.EncodeToString(key), Entries: []Entry{}}
	return m, m.prepare()
}

// ReadMap reads a saved map.
func ReadMap(r io.Reader) (*Map, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxMap+1))
	switch {
	case err != nil:
		return nil, err
	case len(raw) > maxMap:
		return nil, fmt.Errorf("larger than %d MiB", maxMap>>20)
	}
	var m Map
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("not a redaction map: %w", err)
	}
	if m.Schema != MapSchema {
		return nil, fmt.Errorf("schema %q, this version reads %q", m.Schema, MapSchema)
	}
	return &m, m.prepare()
}

// Write saves the map.
func (m *Map) Write(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", " ")
	return enc.Encode(m)
}

func (m *Map) prepare() error {
	key, err := hex.DecodeString(m.Key)
	if err != nil || len(key) < 16 {
		return errors.New("its key is not hex of at least 16 bytes")
	}
	m.key, m.index = key, map[Kind]map[string]string{}
	for _, e := range m.Entries {
		m.put(e)
	}
	return nil
}

func (m *Map) put(e Entry) {
	if m.index[e.Kind] == nil {
		m.index[e.Kind] = map[string]string{}
	}
	m.index[e.Kind][e.Real] = e.Substitute
}

// substitute gives what stands for real, by make(n) the first time; n counts
// the kind from 1.
func (m *Map) substitute(k Kind, real string, make func(n int) string) string {
	if s, ok := m.index[k][real]; ok {
		return s
	}
	e := Entry{k, real, make(len(m.index[k]) + 1)}
	m.put(e)
	m.Entries = append(m.Entries, e)
	return e.Substitute
}

// hash is a keyed hash: without the key nobody can try values against it.
func (m *Map) hash(s string) []byte {
	h := hmac.New(sha256.New, m.key)
	h.Write([]byte(s))
	return h.Sum(nil)
}
