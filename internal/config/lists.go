package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// listName is what a list's name may hold (rules-language values, lists).
var listName = regexp.MustCompile("^[a-z0-9_]{1,50}$")

func (v value) lists() []List {
	var out []List
	v.list(func(v value) {
		v, ok := v.resolve()
		if !ok {
			return
		}
		l := List{Line: v.n.Line}
		if !v.read([]key{
			{"name", func(v value) {
				if l.Name, _ = v.text(); !listName.MatchString(l.Name) {
					v.fail("not a list's name", "small letters, digits and underscores, at most 50")
				}
			}},
			{"kind", func(v value) { l.Kind, _ = v.oneOf("ip", "asn", "hostname") }},
			{"description", func(v value) { v.text() }},
			{"items", func(v value) {
				v.list(func(v value) {
					if s, ok := v.text(); ok {
						l.Items = append(l.Items, s)
					}
				})
			}},
			{"file", func(v value) { l.Items = append(l.Items, lines(v.textFile(maxFile))...) }},
		}) {
			return
		}
		switch {
		case l.Name == "" || l.Kind == "":
			v.fail("needs a name and a kind", "{name: office, kind: ip, items: [192.0.2.0/24]}")
		case slices.ContainsFunc(out, func(o List) bool { return o.Name == l.Name }):
			v.fail(fmt.Sprintf("there is another list named %s", l.Name))
		default:
			if v.r.checkList != nil {
				if err := v.r.checkList(l); err != nil {
					v.fail(fmt.Sprintf("list %s: %v", l.Name, err))
					return
				}
			}
			out = append(out, l)
		}
	})
	return out
}

// lines are the lines of a text without empty ones and what follows a "#".
func lines(s string) []string {
	var out []string
	for l := range strings.Lines(s) {
		l, _, _ = strings.Cut(l, "#")
		if l = strings.TrimSpace(l); l != "" {
			out = append(out, l)
		}
	}
	return out
}

func (v value) geo() Geo {
	var g Geo
	file := func(to *string) func(value) {
		return func(v value) {
			path, ok := v.filePath()
			if !ok {
				return
			}
			if _, ok := readSecondary(v, path); ok {
				*to = path
			}
		}
	}
	if v.read([]key{{"country", file(&g.Country)}, {"asn", file(&g.ASN)}}) && v.r.checkGeo != nil {
		if err := v.r.checkGeo(g); err != nil {
			v.fail(err.Error(), "a database in MaxMind's format (.mmdb)")
		}
	}
	return g
}

// Bounds of logs.
const (
	maxLogSize = 1 << 40
	maxMemory  = 1_000_000
	// defaultMemory is some 10 MB of events at the most.
	defaultMemory = 5000
)

func (v value) log() Log {
	l := Log{Given: true, Sample: 1, Keep: 5, Memory: defaultMemory, Client: "full", Query: true}
	v.object(
		key{"enabled", func(v value) {
			on, ok := v.flag()
			l.Off = ok && !on
		}},
		key{"file", func(v value) { l.File, _ = v.filePath() }},
		key{"max_size", func(v value) {
			n, _ := v.integer(1<<10, maxLogSize)
			l.MaxSize = int64(n)
		}},
		key{"keep", func(v value) { l.Keep, _ = v.integer(1, 1000) }},
		key{"sample", func(v value) { l.Sample = v.share() }},
		key{"memory", func(v value) { l.Memory, _ = v.integer(0, maxMemory) }},
		key{"client_address", func(v value) { l.Client, _ = v.oneOf("full", "truncated", "none") }},
		key{"query", func(v value) {
			if on, ok := v.flag(); ok {
				l.Query = on
			}
		}},
	)
	return l
}
