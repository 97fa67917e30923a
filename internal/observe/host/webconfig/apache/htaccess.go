package apache

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/originward/originward/fact"
)

// maxHtaccess bounds a .htaccess file that is read. Security plugins write
// thousands of lines.
const maxHtaccess = 4 << 20

// htaccess reads the .htaccess files from the top of the tree to a host's
// document root, where the configuration lets them count.
func (r *reader) htaccess(h *node, s *fact.Site) []*node {
	if s.Root == "" || !strings.HasPrefix(s.Root, "/") {
		return nil
	}
	var out []*node
	for _, dir := range parents(s.Root) {
		kinds := r.overrides(h, dir)
		if len(kinds) == 0 {
			continue
		}
		if n := r.htaccessFile(path.Join(dir, ".htaccess")); n != nil {
			out = append(out, permitted(n, kinds))
		}
	}
	return out
}

// parents are a directory and those above it, from the top.
func parents(dir string) []string {
	var out []string
	for d := path.Clean(dir); ; d = path.Dir(d) {
		out = append(out, d)
		if d == "/" || len(out) > 64 {
			slices.Reverse(out)
			return out
		}
	}
}

// htaccessFile parses one file with what the configuration has defined. It is
// no part of the configuration: errors in it answer single requests with 500
// and are kept as errors with their line.
func (r *reader) htaccessFile(name string) *node {
	n, ok := r.files[name]
	if !ok {
		n = r.parseHtaccess(name)
		r.files[name] = n
	}
	return n
}

func (r *reader) parseHtaccess(name string) *node {
	b, err := r.FS.Read(name, maxHtaccess)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			r.note(name, err)
		}
		return nil
	}
	n := &node{name: ".htaccess", file: name, sect: true, args: []string{path.Dir(name)}}
	r.text(name, lines(b), n)
	return n
}

func (r *reader) note(name string, err error) {
	if len(r.Unread) < 64 {
		r.Unread = append(r.Unread, fact.Place{File: name, Text: reason(err)})
	}
}

func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// overrides are the kinds of directives that a .htaccess in dir may hold:
// those of the deepest Directory section with an AllowOverride. Without one
// the default since 2.3.9 is none.
func (r *reader) overrides(h *node, dir string) []string {
	var kinds []string
	best := -1
	own := h.kids
	if h == r.main {
		own = nil
	}
	for _, list := range [][]*node{r.paths, own} {
		for _, k := range list {
			if k.name != "directory" {
				continue
			}
			yes, depth := covers(k, dir, false)
			allow := k.own("allowoverride")
			if !yes || len(allow) == 0 || depth < best {
				continue
			}
			best, kinds = depth, nil
			for _, a := range allow[len(allow)-1].args {
				kind, _, _ := strings.Cut(strings.ToLower(a), "=")
				if kind != "none" {
					kinds = append(kinds, kind)
				}
			}
		}
	}
	return kinds
}

// needs says which override a directive needs.
var needs = map[string]string{
	"order": "limit", "allow": "limit", "deny": "limit", "require": "authconfig", "requireall": "authconfig", "requireany": "authconfig",
	"requirenone": "authconfig", "satisfy": "authconfig", "rewriteengine": "fileinfo", "rewritecond": "fileinfo", "rewriterule": "fileinfo",
	"redirect": "fileinfo", "redirectmatch": "fileinfo", "redirectpermanent": "fileinfo", "setenvif": "fileinfo",
}

// permitted leaves out what the overrides do not let count.
func permitted(n *node, kinds []string) *node {
	if slices.Contains(kinds, "all") {
		return n
	}
	out := *n
	out.kids = nil
	for _, k := range n.kids {
		if slices.Contains(kinds, needs[k.name]) || k.name == "files" || k.name == "limit" {
			out.kids = append(out.kids, k)
		}
	}
	return &out
}
