package exchange

import "strings"

// matchesPattern tells whether a name of a certificate covers a host name (RFC
// 6125 section 6.4): letters without case, "*" only as the whole left-most label
// and standing for exactly one label.
func matchesPattern(pattern, host string) bool {
	pattern, host = strings.TrimSuffix(pattern, "."), strings.TrimSuffix(host, ".")
	if pattern == "" || host == "" {
		return false
	}
	rest, wild := strings.CutPrefix(pattern, "*.")
	if !wild {
		return !strings.Contains(pattern, "*") && equalASCII(pattern, host)
	}
	label, parent, ok := strings.Cut(host, ".")
	return ok && label != "" && strings.Contains(rest, ".") && !strings.Contains(rest, "*") && equalASCII(rest, parent)
}

// equalASCII compares without case, in ASCII only: certificates hold A-labels.
func equalASCII(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		x, y := a[i], b[i]
		if 'A' <= x && x <= 'Z' {
			x += 'a' - 'A'
		}
		if 'A' <= y && y <= 'Z' {
			y += 'a' - 'A'
		}
		if x != y {
			return false
		}
	}
	return true
}
