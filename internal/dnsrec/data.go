package dnsrec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// fromData writes the content of a data object.
func (r *Record) fromData(k kind) *Problem {
	var data map[string]any
	dec := json.NewDecoder(bytes.NewReader(r.Data))
	dec.UseNumber()
	if err := dec.Decode(&data); err != nil {
		return &Problem{codeData, "/data", "data must be an object."}
	}
	if v, ok := data["priority"]; ok && k.priority {
		n, err := strconv.ParseUint(fmt.Sprint(v), 10, 16)
		if err != nil {
			return &Problem{codePrio, "/data/priority", "Invalid priority. Must be between 0 and 65535."}
		}
		r.Priority = int(n)
	}
	var words []string
	for _, p := range k.parts {
		v, ok := data[p.name]
		if !ok && p.name == "value" && p.form == rest {
			continue // HTTPS and SVCB may have no parameters
		}
		if !ok {
			return &Problem{codeData, "/data/" + p.name, p.name + " is a required data field."}
		}
		w, problem := p.word(v)
		if problem != nil {
			return problem
		}
		words = append(words, w)
	}
	r.Content = strings.TrimRight(strings.Join(words, " "), " ")
	return r.fromContent(k)
}

// word writes one part of data as in a zone file.
func (p part) word(v any) (string, *Problem) {
	switch x := v.(type) {
	case json.Number:
		if p.form != number {
			break
		}
		n, err := strconv.ParseUint(x.String(), 10, 32)
		if err != nil || n > uint64(p.max) { //nolint:gosec // max is from the table
			return "", &Problem{codeData, "/data/" + p.name, fmt.Sprintf("%s must be between 0 and %d.", p.name, p.max)}
		}
		return x.String(), nil
	case string:
		switch p.form {
		case number:
			return p.word(json.Number(x))
		case quoted:
			return quote(x), nil
		case word:
			if x != "" && !strings.ContainsAny(x, " \t\"\\;()") {
				return x, nil
			}
		default:
			if !strings.ContainsAny(x, "\r\n;()") {
				return x, nil
			}
		}
	}
	return "", &Problem{codeData, "/data/" + p.name, p.name + " has no usable value."}
}

// quote writes a text as a quoted string of a zone file.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c >= 0x7f:
			fmt.Fprintf(&b, "\\%03d", c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// fromContent splits content into its parts and writes both content and data in
// their one form.
func (r *Record) fromContent(k kind) *Problem {
	words, err := split(r.Content)
	invalid := &Problem{codeContent, "/content", fmt.Sprintf("Content for %s record is invalid.", r.Type)}
	if err != nil {
		return invalid
	}
	if k.priority && len(words) == len(k.parts)+1 { // as in a zone file
		n, err := strconv.ParseUint(words[0].text, 10, 16)
		if err != nil {
			return invalid
		}
		r.Priority, words = int(n), words[1:]
	}
	data := map[string]any{}
	if k.priority {
		data["priority"] = r.Priority
	}
	var out []string
	for i, p := range k.parts {
		if i >= len(words) {
			if p.form == rest && p.name == "value" {
				data[p.name] = ""
				break
			}
			return invalid
		}
		w := words[i].text
		switch p.form {
		case number:
			n, err := strconv.ParseUint(w, 10, 32)
			if err != nil || n > uint64(p.max) { //nolint:gosec // max is from the table
				return invalid
			}
			data[p.name], w = n, strconv.FormatUint(n, 10)
		case quoted:
			data[p.name], w = w, quote(w)
		case host:
			if w != "." {
				name, err := hostName(w, false)
				if err != nil {
					return &Problem{codeContent, "/content", fmt.Sprintf("%s of %s record is not a DNS name.", p.name, r.Type)}
				}
				w = name
			}
			data[p.name] = w
		case rest:
			var all []string
			for _, x := range words[i:] {
				all = append(all, x.raw)
			}
			w = strings.Join(all, " ")
			data[p.name] = w
			words = words[:i+1]
		default:
			data[p.name] = w
		}
		out = append(out, w)
	}
	if len(words) > len(k.parts) {
		return invalid
	}
	r.Content = strings.TrimRight(strings.Join(out, " "), " ")
	r.Data, err = json.Marshal(data)
	if err != nil {
		return invalid
	}
	return nil
}

// token is a word of a zone file: what it means, and as it was written.
type token struct{ text, raw string }

// split cuts a line into words; quotes hold blanks, backslashes escape.
func split(s string) ([]token, error) {
	var out []token
	for i := 0; i < len(s); {
		if s[i] == ' ' || s[i] == '\t' {
			i++
			continue
		}
		start, in := i, false
		var b strings.Builder
		for ; i < len(s) && (in || s[i] != ' ' && s[i] != '\t'); i++ {
			switch {
			case s[i] == '\\':
				c, n := escaped(s[i+1:])
				if n == 0 {
					return nil, fmt.Errorf("an escape at the end")
				}
				b.WriteByte(c)
				i += n
			case s[i] == '"':
				in = !in
			default:
				b.WriteByte(s[i])
			}
		}
		if in {
			return nil, fmt.Errorf("a quote is not closed")
		}
		out = append(out, token{b.String(), s[start:i]})
	}
	return out, nil
}

// escaped reads what follows a backslash: three digits or one character.
func escaped(s string) (c byte, n int) {
	if len(s) >= 3 {
		if v, err := strconv.ParseUint(s[:3], 10, 8); err == nil {
			return byte(v), 3
		}
	}
	if s == "" {
		return 0, 0
	}
	return s[0], 1
}
