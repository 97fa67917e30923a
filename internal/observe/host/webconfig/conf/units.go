package conf

import (
	"strconv"
	"strings"
)

// units of time as nginx, HAProxy and Apache write them, in seconds.
var units = map[string]float64{
	"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800, "M": 2592000, "y": 31536000,
}

// Seconds reads a time such as "75", "75s", "1m30s", "500ms", "1h 30m". A
// number without a unit counts in plain (in seconds: 1 for nginx, 0.001 for
// HAProxy).
func Seconds(s string, plain float64) (float64, bool) {
	total, seen := 0.0, false
	s = strings.TrimSpace(s)
	for s != "" {
		n := number(s)
		if n == 0 {
			return 0, false
		}
		v, err := strconv.ParseFloat(s[:n], 64)
		if err != nil {
			return 0, false
		}
		s = s[n:]
		u := 0
		for u < len(s) && (s[u] >= 'a' && s[u] <= 'z' || s[u] == 'M') {
			u++
		}
		scale, ok := plain, true
		if u > 0 {
			scale, ok = units[s[:u]]
		}
		if !ok {
			return 0, false
		}
		total, seen = total+v*scale, true
		s = strings.TrimLeft(s[u:], " ")
	}
	return total, seen
}

// Bytes reads a size such as "8k", "1m", "2g", "4096".
func Bytes(s string) (float64, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	scale := 1.0
	if s != "" {
		switch s[len(s)-1] {
		case 'k':
			scale = 1 << 10
		case 'm':
			scale = 1 << 20
		case 'g':
			scale = 1 << 30
		}
		if scale > 1 {
			s = s[:len(s)-1]
		}
	}
	if number(s) != len(s) || s == "" {
		return 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	return v * scale, err == nil
}

func number(s string) int {
	n := 0
	for n < len(s) && (s[n] >= '0' && s[n] <= '9' || s[n] == '.') {
		n++
	}
	return n
}

// Port reads a port number.
func Port(s string) (uint16, bool) {
	v, err := strconv.ParseUint(s, 10, 16)
	return uint16(v), err == nil && v > 0
}
