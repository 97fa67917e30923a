package logs

import (
	"bytes"
	"strconv"
	"time"
)

// stamp is the time of a log line.
type stamp struct {
	t     time.Time
	zoned bool // the line named its zone
}

// clock reads the times of one log: loc is the zone of times that name none,
// now settles the year of those without one.
type clock struct {
	loc *time.Location
	now time.Time
}

// maxHead is how far into a line a time is looked for.
const maxHead = 512

// stamp finds the time of a line in the formats of the servers and loggers
// that are read. ok is false for a line without one: a continuation.
func (c clock) stamp(line []byte) (stamp, bool) {
	if len(line) > maxHead {
		line = line[:maxHead]
	}
	if len(line) < 8 {
		return stamp{}, false
	}
	switch b := line[0]; {
	case b == '[':
		if s, ok := c.bracket(line[1:]); ok {
			return s, true
		}
	case b == '{':
		return c.json(line)
	case b >= '0' && b <= '9':
		if s, ok := c.numeric(line); ok {
			return s, true
		}
	case b == '<': // raw syslog priority
		if i := bytes.IndexByte(line, '>'); i > 0 && i < 6 {
			return c.stamp(line[i+1:])
		}
	case b >= 'A' && b <= 'Z':
		if s, ok := c.syslog(line); ok {
			return s, true
		}
	}
	return c.inside(line)
}

// digits reads n digits at i; ok is false when there are others.
func digits(b []byte, i, n int) (int, bool) {
	if i < 0 || i+n > len(b) {
		return 0, false
	}
	v := 0
	for _, c := range b[i : i+n] {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + int(c-'0')
	}
	return v, true
}

// hms reads "10:00:00" at i.
func hms(b []byte, i int) (h, m, s int, ok bool) {
	h, a := digits(b, i, 2)
	m, e := digits(b, i+3, 2)
	s, f := digits(b, i+6, 2)
	return h, m, s, a && e && f && b[i+2] == ':' && b[i+5] == ':' && h < 24 && m < 60 && s < 61
}

// numeric reads lines that begin with a number: 2026/11/22 10:00:00 (nginx),
// 2026-11-22 10:00:00,123 (fail2ban, certbot, lighttpd), RFC 3339, seconds
// since 1970.
func (c clock) numeric(b []byte) (stamp, bool) {
	y, ok := digits(b, 0, 4)
	if ok && len(b) >= 19 && (b[4] == '-' || b[4] == '/') && b[7] == b[4] {
		mo, a := digits(b, 5, 2)
		d, e := digits(b, 8, 2)
		h, m, s, f := hms(b, 11)
		if !a || !e || !f || mo < 1 || mo > 12 || d < 1 || d > 31 || b[10] != ' ' && b[10] != 'T' && b[10] != '_' {
			return stamp{}, false
		}
		loc, zoned := zoneAt(b, 19)
		if loc == nil {
			loc = c.loc
		}
		return stamp{time.Date(y, time.Month(mo), d, h, m, s, 0, loc), zoned}, true
	}
	return epoch(b)
}

// zoneAt reads an optional fraction and a zone behind a time: Z, +01:00,
// " +0100", " UTC". nil = none.
func zoneAt(b []byte, i int) (*time.Location, bool) {
	if i < len(b) && (b[i] == '.' || b[i] == ',') {
		for i++; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
		}
	}
	if i < len(b) && b[i] == ' ' {
		if i+1 < len(b) && (b[i+1] == '+' || b[i+1] == '-' || bytes.HasPrefix(b[i+1:], []byte("UTC")) || bytes.HasPrefix(b[i+1:], []byte("GMT"))) {
			i++
		} else {
			return nil, false
		}
	}
	switch {
	case i >= len(b):
		return nil, false
	case b[i] == 'Z', bytes.HasPrefix(b[i:], []byte("UTC")), bytes.HasPrefix(b[i:], []byte("GMT")):
		return time.UTC, true
	case b[i] == '+' || b[i] == '-':
		h, ok := digits(b, i+1, 2)
		if !ok {
			return nil, false
		}
		j := i + 3
		if j < len(b) && b[j] == ':' {
			j++
		}
		m, ok := digits(b, j, 2)
		if !ok || h > 14 || m > 59 {
			return nil, false
		}
		sec := h*3600 + m*60
		if b[i] == '-' {
			sec = -sec
		}
		return time.FixedZone("", sec), true
	}
	return nil, false
}

// epoch reads seconds since 1970, with or without a fraction; milliseconds
// where there are thirteen digits.
func epoch(b []byte) (stamp, bool) {
	n := 0
	for n < len(b) && b[n] >= '0' && b[n] <= '9' {
		n++
	}
	if n != 10 && n != 13 {
		return stamp{}, false
	}
	v, err := strconv.ParseInt(string(b[:n]), 10, 64)
	if err != nil || v < 1e9 {
		return stamp{}, false
	}
	if n == 13 {
		v /= 1000
	}
	return stamp{time.Unix(v, 0), true}, true
}

var months = map[string]time.Month{
	"Jan": 1, "Feb": 2, "Mar": 3, "Apr": 4, "May": 5, "Jun": 6, "Jul": 7, "Aug": 8, "Sep": 9, "Oct": 10, "Nov": 11, "Dec": 12,
}

func month(b []byte, i int) (time.Month, bool) {
	if i < 0 || i+3 > len(b) {
		return 0, false
	}
	m, ok := months[string(b[i:i+3])]
	return m, ok
}

// bracket reads the time behind "[": 22-Nov-2026 10:00:00 UTC (php-fpm), Sun
// Nov 22 10:00:00.123456 2026 (Apache), 22/Nov/2026:10:00:00 +0000.
func (c clock) bracket(b []byte) (stamp, bool) {
	if len(b) < 20 {
		return stamp{}, false
	}
	if mo, ok := month(b, 3); ok && (b[2] == '-' || b[2] == '/') {
		d, e := digits(b, 0, 2)
		y, f := digits(b, 7, 4)
		h, m, s, g := hms(b, 12)
		if !e || !f || !g || d < 1 || d > 31 {
			return stamp{}, false
		}
		loc, zoned := zoneAt(b, 20)
		if loc == nil {
			loc = c.loc
		}
		return stamp{time.Date(y, mo, d, h, m, s, 0, loc), zoned}, true
	}
	mo, ok := month(b, 4)
	if !ok || b[3] != ' ' || b[7] != ' ' {
		return c.numeric(b)
	}
	day := b[8:10]
	if day[0] == ' ' {
		day = day[1:]
	}
	d, e := digits(day, 0, len(day))
	h, m, s, g := hms(b, 11)
	i := 19
	for i < len(b) && b[i] != ' ' && b[i] != ']' { // fraction
		i++
	}
	y, f := digits(b, i+1, 4)
	if !e || !f || !g {
		return stamp{}, false
	}
	return stamp{time.Date(y, mo, d, h, m, s, 0, c.loc), false}, true
}

// syslog reads "Nov 22 10:00:00": the year is the one that puts the line
// before now.
func (c clock) syslog(b []byte) (stamp, bool) {
	mo, ok := month(b, 0)
	if !ok || len(b) < 15 || b[3] != ' ' {
		return stamp{}, false
	}
	day := b[4:6]
	if day[0] == ' ' {
		day = day[1:]
	}
	d, e := digits(day, 0, len(day))
	h, m, s, f := hms(b, 7)
	if !e || !f || d < 1 || d > 31 {
		return stamp{}, false
	}
	t := time.Date(c.now.In(c.loc).Year(), mo, d, h, m, s, 0, c.loc)
	if t.After(c.now.Add(26 * time.Hour)) { // of last year; a clock a day ahead is not
		t = t.AddDate(-1, 0, 0)
	}
	return stamp{t, false}, true
}

// inside finds a time anywhere in the beginning of a line, as access logs have
// it: [22/Nov/2026:10:00:00 +0000], with or without brackets, RFC 3339, and
// seconds with a fraction since 1970.
func (c clock) inside(b []byte) (stamp, bool) {
	for i := range b {
		if i > 0 && (b[i-1] >= '0' && b[i-1] <= '9' || b[i-1] == '.') {
			continue // inside a number
		}
		rest := b[i:]
		switch {
		case len(rest) < 14:
			return stamp{}, false
		case rest[2] == '/' && rest[6] == '/':
			if s, ok := c.bracket(rest); ok {
				return s, true
			}
		case rest[4] == '-' && rest[7] == '-' && (rest[10] == 'T' || rest[10] == ' ') && rest[13] == ':':
			if s, ok := c.numeric(rest); ok {
				return s, true
			}
		case rest[0] == '1' && rest[10] == '.':
			if s, ok := epoch(rest); ok {
				return s, true
			}
		}
	}
	return stamp{}, false
}

var timeKeys = [][]byte{
	[]byte(`"ts":`), []byte(`"time":`), []byte(`"timestamp":`), []byte(`"@timestamp":`), []byte(`"time_iso8601":`), []byte(`"time_local":`),
	[]byte(`"msec":`), []byte(`"t":`), []byte(`"date":`),
}

// json finds the time of a JSON line by the usual names.
func (c clock) json(b []byte) (stamp, bool) {
	for _, k := range timeKeys {
		i := bytes.Index(b, k)
		if i < 0 {
			continue
		}
		v := bytes.TrimLeft(b[i+len(k):], ` "`)
		if s, ok := c.numeric(v); ok {
			return s, true
		}
		if s, ok := c.bracket(v); ok {
			return s, true
		}
	}
	return stamp{}, false
}
