package redact

import (
	"maps"
	"regexp"
	"slices"
)

// verbatim are fields whose values are public and look random.
var verbatim = map[string]bool{"sha256": true, "serial": true, "ray": true, "schema": true, "handle": true, "question": true, "cause": true, "at": true}

// publicForm is a hash, a ray, a word of the vocabulary or a time: a field of
// such a name may still hold anything.
var publicForm = regexp.MustCompile(`^(?:[0-9a-fA-F]{1,128}(?:-[A-Z]{3})?|[a-z][a-z0-9_./-]{0,63}|[0-9TZ:.+-]{1,40})$`)

// Tree replaces in a decoded JSON value, keys included, and gives a new one.
// Whatever its shape, every text in it is looked at.
func (r *Redactor) Tree(v any) any { return r.tree("", v) }

func (r *Redactor) tree(field string, v any) any {
	switch v := v.(type) {
	case string:
		return r.field(field, v)
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = r.tree(field, x)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		// In a fixed order, so that substitutes are numbered alike every time.
		for _, k := range slices.Sorted(maps.Keys(v)) {
			out[r.Text(k)] = r.tree(k, v[k])
		}
		return out
	}
	return v
}

func (r *Redactor) field(field, s string) string {
	switch {
	case verbatim[field] && publicForm.MatchString(s):
		return s
	case secretField.MatchString(field):
		return r.secret(s)
	}
	return r.Text(s)
}
