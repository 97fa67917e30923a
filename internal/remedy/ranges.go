package remedy

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"strings"

	"github.com/originward/originward"
)

// ErrList says that a list of ranges must not be installed.
var ErrList = errors.New("refused")

// The bounds of a list that is taken. A CDN's list changes by a range or two a
// year; one that lost a quarter is cut or another's.
const (
	keepShare = 0.75
	widest4   = 8  // bits of the shortest IPv4 prefix
	widest6   = 16 // likewise for IPv6
)

// CheckRanges refuses a list that is empty, lacks a family, holds what cannot be
// a CDN's, or is much shorter than one that is known.
func CheckRanges(list, known []netip.Prefix) error {
	byFamily := func(l []netip.Prefix, f originward.Family) (out []netip.Prefix) {
		for _, p := range l {
			if originward.FamilyOf(p.Addr()) == f {
				out = append(out, p)
			}
		}
		return out
	}
	for _, p := range list {
		a := p.Addr()
		widest := widest4
		if a.Is6() {
			widest = widest6
		}
		switch {
		case !p.IsValid() || a.IsPrivate() || a.IsLoopback() || a.IsMulticast() || a.IsUnspecified() || a.IsLinkLocalUnicast():
			return fmt.Errorf("%w: %s is no range of a CDN", ErrList, p)
		case p.Bits() < widest:
			return fmt.Errorf("%w: %s is wider than /%d", ErrList, p, widest)
		}
	}
	for _, f := range []originward.Family{originward.IP4, originward.IP6} {
		have, had := byFamily(list, f), byFamily(known, f)
		switch {
		case len(have) == 0 && len(had) > 0:
			return fmt.Errorf("%w: the list holds no range of %s", ErrList, f)
		case len(had) > 0 && float64(len(have)) < keepShare*float64(len(had)):
			return fmt.Errorf("%w: the list holds %d ranges of %s, %d were known; a list that lost so much is cut", ErrList, len(have), f, len(had))
		}
	}
	if len(list) == 0 {
		return fmt.Errorf("%w: the list is empty", ErrList)
	}
	return nil
}

// forms are the shapes in which a list is written into a file: what stands
// before and behind each range.
var forms = map[string][2]string{
	"plain":           {"", ""},
	"nginx-allow":     {"allow ", ";"},
	"nginx-real-ip":   {"set_real_ip_from ", ";"},
	"apache-require":  {"Require ip ", ""},
	"apache-remoteip": {"RemoteIPTrustedProxy ", ""},
}

// Forms lists the names of the shapes.
func Forms() []string {
	var out []string
	for f := range forms {
		out = append(out, f)
	}
	sort.Strings(out)
	return out
}

// rangesHead begins every file that is kept fresh; a file without it is
// somebody's own.
const rangesHead = "# Written by originward ranges sync; changes here are lost.\n"

// RangesFile is the file with the list in a form.
func RangesFile(path, form string, list []netip.Prefix) (Step, error) {
	shape, ok := forms[form]
	if !ok {
		return Step{}, fmt.Errorf("form %q: allowed are %s", form, strings.Join(Forms(), ", "))
	}
	var b strings.Builder
	b.WriteString(rangesHead)
	for _, p := range list {
		b.WriteString(shape[0] + p.String() + shape[1] + "\n")
	}
	return step("config", "write "+Plural(len(list), "range", "ranges")+" into "+path, &Config{Edits: []Edit{{Path: path, Content: []byte(b.String())}}}), nil
}

// Ours reports whether a file is one that is kept fresh, or not there yet, and
// the ranges that it holds.
func Ours(path string) (ours bool, had []netip.Prefix, err error) {
	f, err := readFile(path)
	if err != nil {
		return false, nil, err
	}
	for _, w := range strings.FieldsFunc(string(f.Content), func(r rune) bool { return strings.ContainsRune(" \t\n;", r) }) {
		if p, err := netip.ParsePrefix(w); err == nil {
			had = append(had, p)
		}
	}
	return !f.There || strings.HasPrefix(string(f.Content), rangesHead) || len(f.Content) == 0, had, nil
}

// RangesSet puts the ranges that a set lacks into it, and takes those out that
// the CDN has withdrawn; what else it holds stays. name is "inet filter cdn4"
// for a set of nf_tables, one word for an ipset.
func RangesSet(name string, list, withdrawn []netip.Prefix, six bool, had []string) (Step, error) {
	f := originward.IP4
	if six {
		f = originward.IP6
	}
	var gone []string
	have := map[string]bool{}
	for _, h := range had {
		have[elementKey(h)] = true
	}
	add := uncovered(list, had, f) // a set that merges its neighbours holds them under other names
	for _, p := range withdrawn {
		if originward.FamilyOf(p.Addr()) == f && have[p.String()] && !slices.Contains(list, p) {
			gone = append(gone, p.String())
		}
	}
	title := editTitle("set "+name, len(gone), len(add))
	w := strings.Fields(name)
	switch len(w) {
	case 1:
		return step("ipset", title, &IPSet{Set: name, Add: add, Delete: gone}), nil
	case 3:
		return step("nft", title, &NFT{Sets: []NFTSet{{Family: w[0], Table: w[1], Set: w[2], Add: add, Delete: gone}}}), nil
	}
	return Step{}, fmt.Errorf("set %q: allowed are “FAMILY TABLE SET” of nf_tables, or the name of an ipset", name)
}
