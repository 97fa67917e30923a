package allowlist

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/originward/originward/internal/escape"
)

// ErrNotText means that the file holds no text.
var ErrNotText = errors.New("not a text file")

// Read reads a file. Lines that are not understood are no error; they stand in
// Unread. It is an error when nothing at all can be read, or too much.
func Read(r io.Reader) (*List, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	switch {
	case err != nil:
		return nil, err
	case len(b) > MaxBytes:
		return nil, fmt.Errorf("larger than %d MiB", MaxBytes>>20)
	case bytes.IndexByte(b, 0) >= 0:
		return nil, ErrNotText
	}
	p := &parser{}
	if t := bytes.TrimSpace(b); len(t) > 0 && (t[0] == '{' || t[0] == '[') && p.json(b) {
		return &p.list, nil
	}
	p.list = List{}
	for i, line := range strings.Split(string(b), "\n") {
		p.line = i + 1
		p.text(line)
		if len(p.list.Entries) > maxEntries {
			return nil, fmt.Errorf("line %d: more than %d entries", p.line, maxEntries)
		}
	}
	return &p.list, nil
}

// parser holds what one line leaves to the next: only that the elements of an
// nft set are still open, and whether they are refused.
type parser struct {
	list  List
	line  int
	open  bool // inside "elements = {" or "saddr {"
	geo   bool // inside nginx's geo block
	depth int  // braces since the geo block opened
}

// unread notes a line that names addresses and was not understood.
func (p *parser) unread(text, why string) {
	if len(p.list.Unread) < maxUnread {
		p.list.Unread = append(p.list.Unread, Unread{p.line, escape.Line(strings.TrimSpace(text), maxText), why})
	}
}

// words reads every word that is an address; it reports how many were.
func (p *parser) words(ws []string, deny bool) int {
	n := 0
	for _, w := range ws {
		ps, ok, err := prefixes(w)
		switch {
		case err != nil:
			p.unread(w, err.Error())
			n++
		case ok:
			for _, x := range ps {
				p.list.Entries = append(p.list.Entries, Entry{p.line, x, deny, escape.Line(w, maxText)})
			}
			n++
		}
	}
	return n
}

// fields cuts a line into words at spaces, commas, quotes and braces.
func fields(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool {
		return r == ' ' || r == '\t' || r == '\r' || strings.ContainsRune(`,"'{}()<>=|`, r)
	})
}
