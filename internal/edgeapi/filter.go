package edgeapi

import (
	"net/url"
	"strings"
)

// textFilter is a filter of a list by one field, in the forms of Cloudflare's
// API: name=…, name.exact, name.contains, name.startswith, name.endswith,
// name.absent, name.present. Letter case does not matter.
type textFilter []func(string) bool

func newTextFilter(q url.Values, key string) textFilter {
	var f textFilter
	add := func(form string, is func(s, want string) bool) {
		if want := strings.ToLower(q.Get(key + form)); q.Has(key + form) {
			f = append(f, func(s string) bool { return is(strings.ToLower(s), want) })
		}
	}
	exact := func(s, want string) bool { return s == want }
	if want, form, ok := strings.Cut(q.Get(key), ":"); ok && isForm(want) {
		// The older way of writing it: name=contains:shop.
		q = url.Values{key + "." + forms[want]: {form}}
	}
	add("", exact)
	add(".exact", exact)
	add(".contains", strings.Contains)
	add(".startswith", strings.HasPrefix)
	add(".endswith", strings.HasSuffix)
	add(".absent", func(s, _ string) bool { return s == "" })
	add(".present", func(s, _ string) bool { return s != "" })
	return f
}

var forms = map[string]string{"equal": "exact", "contains": "contains", "starts_with": "startswith", "ends_with": "endswith"}

func isForm(s string) bool { _, ok := forms[s]; return ok }

func (f textFilter) match(s string) bool {
	for _, is := range f {
		if !is(s) {
			return false
		}
	}
	return true
}

func (f textFilter) any() bool { return len(f) > 0 }
