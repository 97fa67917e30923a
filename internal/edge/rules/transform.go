package rules

import (
	"bytes"
	"strings"
)

// Redirected gives the first redirect rule that matches and the URL it leads to.
// A rule whose target is a missing value, or no URL, is passed over.
func (s *Set) Redirected(r *Request) (rule *RedirectRule, target string) {
	for i := range s.Redirects {
		x := &s.Redirects[i]
		if !x.holds(r) {
			continue
		}
		b, ok := x.Target.Of(r)
		if !ok || !validTarget(b) {
			continue
		}
		t := string(cleanTarget(b, 0))
		if x.PreserveQuery && len(r.Query) > 0 {
			t = withQuery(t, r.Query)
		}
		return x, t
	}
	return nil, ""
}

// maxTarget bounds what a rule may build as a URL.
const maxTarget = 16 << 10

// validTarget tells what can stand in Location: an absolute URL of a web site, or a
// path, without anything that could end the line.
func validTarget(b []byte) bool {
	if len(b) == 0 || len(b) > maxTarget {
		return false
	}
	for _, c := range b {
		if c <= ' ' || c == 0x7f {
			return false
		}
	}
	s := string(b)
	return strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//")
}

// withQuery puts the visitor's query behind a URL, before its fragment; a query of
// the URL's own goes.
func withQuery(t string, query []byte) string {
	t, fragment, found := strings.Cut(t, "#")
	t, _, _ = strings.Cut(t, "?")
	t += "?" + string(query)
	if found {
		t += "#" + fragment
	}
	return t
}

// Rewritten runs the URL rewrites over r: each sees what those before it made, and
// r's URI is changed as they go. It tells whether one matched. A value that cannot
// stand in a URL is passed over.
func (s *Set) Rewritten(r *Request) (changed bool) {
	for i := range s.Rewrites {
		x := &s.Rewrites[i]
		if !x.holds(r) {
			continue
		}
		path, query := r.Path, r.Query
		if x.Path != nil {
			if b, ok := x.Path.Of(r); ok && len(b) > 0 {
				path = cleanTarget(b, '?')
				if path[0] != '/' {
					path = append([]byte{'/'}, path...)
				}
			}
		}
		if x.Query != nil {
			if b, ok := x.Query.Of(r); ok {
				query = cleanTarget(bytes.TrimPrefix(b, []byte("?")), '#')
			}
		}
		target := append(make([]byte, 0, len(path)+1+len(query)), path...)
		if len(query) > 0 {
			target = append(append(target, '?'), query...)
		}
		if len(target) > maxTarget {
			continue
		}
		r.URI = URI{Path: target[:len(path):len(path)], Target: target}
		if len(query) > 0 {
			r.Query = target[len(path)+1:]
		}
		changed = true
	}
	return changed
}

// cleanTarget percent-encodes what cannot stand in a path or query: what rules make
// of a visitor's fields must not end the request line. also is another character to be
// encoded; 0 = none, and a fragment may stand there.
func cleanTarget(b []byte, also byte) []byte {
	const hex = "0123456789ABCDEF"
	out := make([]byte, 0, len(b))
	for _, c := range b {
		if c <= ' ' || c >= 0x7f || c == '#' && also != 0 || c == '"' || c == '<' || c == '>' || c == '\\' || also != 0 && c == also {
			out = append(out, '%', hex[c>>4], hex[c&15])
			continue
		}
		out = append(out, c)
	}
	return out
}

// HeaderEdit is what rules make of a header: fields that go and fields that come.
type HeaderEdit struct {
	drop []string
	Add  [][2]string // in order
}

// Drops tells whether the fields of that name go.
func (e *HeaderEdit) Drops(name []byte) bool {
	for _, d := range e.drop {
		if fold(name, d) {
			return true
		}
	}
	return false
}

// Empty tells that nothing changes.
func (e *HeaderEdit) Empty() bool { return len(e.drop) == 0 && len(e.Add) == 0 }

// Set puts a field in place of all of that name.
func (e *HeaderEdit) Set(name, value string) {
	e.Remove(name)
	e.Add = append(e.Add, [2]string{name, value})
}

// Remove takes all fields of a name away.
func (e *HeaderEdit) Remove(name string) {
	e.forget(name)
	e.drop = append(e.drop, name)
}

// Reset makes the edit empty, keeping its memory.
func (e *HeaderEdit) Reset() { e.drop, e.Add = e.drop[:0], e.Add[:0] }

// EditRequest works out the changes of the request's header.
func (s *Set) EditRequest(r *Request, e *HeaderEdit) { edit(s.RequestHeaders, r, e) }

// EditResponse works out the changes of the response's header; r.Response is set.
func (s *Set) EditResponse(r *Request, e *HeaderEdit) { edit(s.ResponseHeaders, r, e) }

// edit applies the changes of the rules that match in order: the last one to set or
// remove a field decides it.
func edit(list []HeaderRule, r *Request, e *HeaderEdit) {
	for i := range list {
		if !list[i].holds(r) {
			continue
		}
		for j := range list[i].Changes {
			c := &list[i].Changes[j]
			val, ok := "", false
			if c.Do != RemoveField {
				var b []byte
				if b, ok = c.Value.Of(r); ok {
					val = fieldValue(b)
				}
			}
			if c.Do != AddField && (ok || c.Do == RemoveField) {
				e.Remove(c.Name)
			}
			if ok {
				e.Add = append(e.Add, [2]string{c.Name, val})
			}
		}
	}
}

func (e *HeaderEdit) forget(name string) {
	kept := e.Add[:0]
	for _, f := range e.Add {
		if !strings.EqualFold(f[0], name) {
			kept = append(kept, f)
		}
	}
	e.Add = kept
}

// fieldValue makes a value of what a rule worked out: controls, which could end
// the line, become spaces.
func fieldValue(b []byte) string {
	return strings.TrimSpace(strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, string(b)))
}

// ServedError gives the first custom error rule that matches; nil when none does.
// r.Response is set, and rules concern errors of 400 and above only.
func (s *Set) ServedError(r *Request) *ErrorRule {
	if r.Response == nil || r.Response.Status < 400 {
		return nil
	}
	for i := range s.Errors {
		if s.Errors[i].holds(r) {
			return &s.Errors[i]
		}
	}
	return nil
}
