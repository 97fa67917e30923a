package logs

import (
	"net/netip"
	"strconv"
	"strings"
)

// format is an access log's own format, as its server's configuration writes
// it: texts, and the fields between them.
type format struct {
	parts []part
}

// part is a field and the text that follows it.
type part struct {
	field  field
	before string // text in front of the first field
	after  string
	quoted bool // the text around is a quote: inside, a quote is escaped
}

// field is what a format's variable holds; skipped ones only delimit.
type field int

const (
	skipped field = iota
	client
	status
	request
	method
	uri
	seconds
	millis
	micros
	ray
)

// nginxFields and apacheFields say which variables matter; one line adds one.
// The client is the address that the server counts by, restored or not.
var nginxFields = map[string]field{
	"remote_addr": client, "status": status, "request": request, "request_method": method, "request_uri": uri, "uri": uri,
	"request_time": seconds, "http_cf_ray": ray, "cf_ray": ray,
}

var apacheFields = map[string]field{
	"h": client, "a": client, "s": status, ">s": status, "r": request, "m": method, "U": uri, "T": seconds, "{s}T": seconds, "{ms}T": millis,
	"{us}T": micros, "D": micros, "{cf-ray}i": ray,
}

// newFormat reads a format; nil for one without a status, which says nothing,
// and for the names of formats that parseAccess knows.
func newFormat(program, text string) *format {
	var f format
	switch program {
	case "nginx":
		f.parts = split(text, nginxVariable, nginxFields)
	case "apache", "lighttpd":
		f.parts = split(text, apacheVariable, apacheFields)
	}
	for _, p := range f.parts {
		if p.field == status {
			return finish(&f)
		}
	}
	return nil
}

func finish(f *format) *format {
	for i := range f.parts {
		f.parts[i].quoted = strings.HasPrefix(f.parts[i].after, `"`)
		if f.parts[i].after == "" && i < len(f.parts)-1 {
			return nil // two variables without a text between cannot be parted
		}
	}
	return f
}

// split parts a format into its fields. variable reads one at the beginning of
// a text and gives its name and length, 0 when there is none.
func split(text string, variable func(string) (string, int), fields map[string]field) []part {
	var out []part
	before := ""
	for text != "" {
		name, n := variable(text)
		if n == 0 {
			if len(out) == 0 {
				before += text[:1]
			} else {
				out[len(out)-1].after += text[:1]
			}
			text = text[1:]
			continue
		}
		text = text[n:]
		if name == "%" {
			if len(out) == 0 {
				before += "%"
			} else {
				out[len(out)-1].after += "%"
			}
			continue
		}
		out = append(out, part{field: fields[name]})
		if len(out) == 1 {
			out[0].before = before
		}
	}
	return out
}

// nginxVariable reads $name or ${name}.
func nginxVariable(s string) (string, int) {
	if s[0] != '$' || len(s) < 2 {
		return "", 0
	}
	if s[1] == '{' {
		end := strings.IndexByte(s, '}')
		if end < 0 {
			return "", 0
		}
		return s[2:end], end + 1
	}
	n := 1
	for n < len(s) && (s[n] == '_' || s[n] >= 'a' && s[n] <= 'z' || s[n] >= 'A' && s[n] <= 'Z' || s[n] >= '0' && s[n] <= '9') {
		n++
	}
	if n == 1 {
		return "", 0
	}
	return s[1:n], n
}

// apacheVariable reads %>s, %{CF-Ray}i, %!200,304{Referer}i.
func apacheVariable(s string) (string, int) {
	if s[0] != '%' || len(s) < 2 {
		return "", 0
	}
	i := 1
	for i < len(s) && (s[i] == '!' || s[i] == ',' || s[i] >= '0' && s[i] <= '9') { // conditions
		i++
	}
	mod := ""
	if i < len(s) && (s[i] == '>' || s[i] == '<') {
		mod = s[i : i+1]
		i++
	}
	if i < len(s) && s[i] == '{' {
		end := strings.IndexByte(s[i:], '}')
		if end < 0 {
			return "", 0
		}
		mod += strings.ToLower(s[i : i+end+1])
		i += end + 1
	}
	if i >= len(s) {
		return "", 0
	}
	if s[i] == '^' && i+2 < len(s) { // %^ti
		return mod + s[i:i+3], i + 3
	}
	return mod + s[i:i+1], i + 1
}

// parse reads a line by the format; ok is false for a line of another one.
func (f *format) parse(line string) (a accessLine, ok bool) {
	line, ok = strings.CutPrefix(line, f.parts[0].before)
	if !ok {
		return a, false
	}
	var verb, path string
	for i, p := range f.parts {
		v := line
		if i < len(f.parts)-1 || p.after != "" {
			n := find(line, p.after, p.quoted)
			if n < 0 {
				return a, false
			}
			v, line = line[:n], line[n+len(p.after):]
		}
		switch p.field {
		case client:
			if x, err := netip.ParseAddr(v); err == nil {
				a.client = x.Unmap()
			}
		case status:
			a.status, _ = strconv.Atoi(v)
		case request:
			a.target = v
		case method:
			verb = v
		case uri:
			path = v
		case seconds, millis, micros:
			a.seconds = duration(p.field, v)
		case ray:
			if g := rayRE.FindStringSubmatch(v); g != nil {
				a.ray = g[1]
			}
		}
	}
	if a.target == "" {
		a.target = strings.TrimSpace(verb + " " + path)
	}
	return a, a.status >= 100 && a.status < 1000
}

// find gives the place of the text behind a field. Inside quotes an escaped
// quote does not end it.
func find(line, text string, quoted bool) int {
	for from := 0; ; {
		i := strings.Index(line[from:], text)
		if i < 0 {
			return -1
		}
		i += from
		if !quoted || i == 0 || line[i-1] != '\\' || i > 1 && line[i-2] == '\\' {
			return i
		}
		from = i + 1
	}
}

func duration(f field, v string) float64 {
	n, err := strconv.ParseFloat(v, 64)
	if err != nil || n < 0 || n > 1e12 {
		return 0
	}
	switch f {
	case millis:
		return n / 1e3
	case micros:
		return n / 1e6
	}
	return n
}
