package cache

import (
	"bytes"
	"math"
	"strconv"
	"time"

	"github.com/originward/originward/internal/http1"
)

// control is what Cache-Control says. Absent durations are negative.
type control struct {
	present                                         bool
	noStore, noCache, private, public, noTransform  bool
	mustRevalidate, proxyRevalidate, mustUnderstand bool
	maxAge, sMaxAge, whileRevalidate, ifError       time.Duration
}

// forever is the longest lifetime: RFC 9111 section 1.2.2 asks for at least 2^31
// seconds to be understood.
const forever = math.MaxInt32 * time.Second

// targeted are the fields that speak to a CDN, the most specific first; the
// first one present holds instead of Cache-Control (RFC 9213).
var targeted = []string{"Cloudflare-CDN-Cache-Control", "CDN-Cache-Control"}

// controlOf reads what a response says to this cache.
func controlOf(h *http1.Head) control {
	for _, name := range targeted {
		if c, ok := parseTargeted(h, name); ok {
			return c
		}
	}
	return parseControl(h, "Cache-Control")
}

// parseTargeted reads a targeted field. One that is no valid dictionary is
// ignored (RFC 9213 section 2.2).
func parseTargeted(h *http1.Head, name string) (control, bool) {
	if !h.Has(name) {
		return control{}, false
	}
	for v := range h.Values(name) {
		if len(bytes.TrimSpace(v)) == 0 {
			continue
		}
		valid := true
		directives(v, func(name, arg []byte, quoted bool) {
			if len(name) == 0 || bytes.ContainsAny(name, " \t\"@;:") || quoted {
				valid = false
			}
		})
		if !valid {
			return control{}, false
		}
	}
	c := parseControl(h, name)
	return c, c.present
}

func parseControl(h *http1.Head, field string) control {
	c := control{maxAge: -1, sMaxAge: -1, whileRevalidate: -1, ifError: -1}
	for v := range h.Values(field) {
		directives(v, func(name, arg []byte, _ bool) {
			c.present = true
			switch string(bytes.ToLower(name)) {
			case "no-store":
				c.noStore = true
			case "no-cache":
				c.noCache = true // also with field names: keeping less is always allowed
			case "private":
				c.private = true
			case "public":
				c.public = true
			case "no-transform":
				c.noTransform = true
			case "must-revalidate":
				c.mustRevalidate = true
			case "proxy-revalidate":
				c.proxyRevalidate = true
			case "must-understand":
				c.mustUnderstand = true
			case "max-age":
				c.maxAge = shorter(c.maxAge, seconds(arg))
			case "s-maxage":
				c.sMaxAge = shorter(c.sMaxAge, seconds(arg))
			case "stale-while-revalidate":
				c.whileRevalidate = shorter(c.whileRevalidate, seconds(arg))
			case "stale-if-error":
				c.ifError = shorter(c.ifError, seconds(arg))
			}
		})
	}
	return c
}

// shorter keeps the smaller of two given durations: of contradicting directives
// the stricter holds.
func shorter(have, d time.Duration) time.Duration {
	if have >= 0 && have < d {
		return have
	}
	return d
}

// seconds reads delta-seconds. What is no number counts as nought, so that a
// mangled lifetime makes a response stale, not eternal (RFC 9111 section 4.2.1).
func seconds(arg []byte) time.Duration {
	if len(arg) == 0 {
		return 0
	}
	for _, c := range arg {
		if c < '0' || c > '9' {
			return 0
		}
	}
	n, err := strconv.ParseInt(string(arg), 10, 64)
	if err != nil || n > int64(forever/time.Second) {
		return forever
	}
	return time.Duration(n) * time.Second
}

// directives calls f for each directive of a list; commas inside quotes part
// nothing.
func directives(v []byte, f func(name, arg []byte, quoted bool)) {
	for len(v) > 0 {
		var item []byte
		item, v = cutItem(v)
		item = bytes.TrimSpace(item)
		if len(item) == 0 {
			continue
		}
		name, arg, _ := bytes.Cut(item, []byte("="))
		quoted := len(arg) > 1 && arg[0] == '"' && arg[len(arg)-1] == '"'
		if quoted {
			arg = arg[1 : len(arg)-1]
		}
		f(name, arg, quoted)
	}
}

// cutItem cuts at the first comma that stands outside quotes.
func cutItem(v []byte) (item, rest []byte) {
	in := false
	for i := 0; i < len(v); i++ {
		switch {
		case v[i] == '\\' && in:
			i++
		case v[i] == '"':
			in = !in
		case v[i] == ',' && !in:
			return v[:i], v[i+1:]
		}
	}
	return v, nil
}
