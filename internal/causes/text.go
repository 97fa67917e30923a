package causes

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/originward/originward/internal/cdn"
)

func itoa(n int) string { return strconv.Itoa(n) }

// maxShown bounds lists in sentences and subjects.
const maxShown = 8

// ranges is a bounded list of prefixes for a sentence.
func rangesText(ps []netip.Prefix) string {
	var b strings.Builder
	for i, p := range ps {
		if i == maxShown {
			b.WriteString(" and " + itoa(len(ps)-i) + " more")
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p.String())
	}
	return b.String()
}

// some are the first prefixes of a list.
func some(ps []netip.Prefix) []netip.Prefix { return ps[:min(len(ps), 64)] }

// familyName is a family as people write it.
func familyName(f string) string {
	switch f {
	case "ip4":
		return "IPv4"
	case "ip6":
		return "IPv6"
	}
	return "either family"
}

// hasAny reports whether s holds one of the words, whatever their case.
func hasAny(s string, words ...string) bool {
	s = strings.ToLower(s)
	for _, w := range words {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}

func lower(s string) string { return strings.ToLower(s) }

// cdnOf is the CDN in whose published origin-facing ranges an address lies.
func cdnOf(a netip.Addr) string {
	id, _ := cdn.LookupEgress(a)
	return string(id)
}

func u64(n uint64) string { return strconv.FormatUint(n, 10) }
