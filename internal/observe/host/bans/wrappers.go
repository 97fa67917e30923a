package bans

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/observe/host/cidr"
	"github.com/originward/originward/internal/observe/host/rootfs"
)

// webDaemons are the names under which web servers would ask the wrappers.
var webDaemons = []string{"nginx", "apache2", "httpd", "lighttpd", "haproxy", "caddy", "stunnel", "varnishd", "http", "https", "www"}

// wrappers evaluates hosts.allow and hosts.deny for web daemons and every part
// of the edge's ranges, and says whether any listening program asks them.
func wrappers(ctx context.Context, s *survey) ([]seen, []originward.NotObserved) {
	f := rootfs.FS{Root: s.env.Root}
	deny, err := f.Read("/etc/hosts.deny", maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, denied("hosts.deny", "/etc/hosts.deny", err)
	}
	allow, err := f.Read("/etc/hosts.allow", maxFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, denied("hosts.allow", "/etc/hosts.allow", err)
	}
	w := tcpd{
		allow: parseWrappers("/etc/hosts.allow", allow), deny: parseWrappers("/etc/hosts.deny", deny),
		list: func(name string) []string { return listFile(f, name) },
	}
	asks, linked, programs := listening(ctx, s, f)
	src := newSource("hosts.deny", "/etc/hosts.deny")
	src.Action = "close"
	src.Enforced = linked
	if len(w.allow)+len(w.deny) == 0 { // comments only, as distributions ship it
		return []seen{{src, "cat /etc/hosts.allow /etc/hosts.deny"}}, nil
	}
	switch linked {
	case fact.No:
		src.Why = "no program that listens on the edge's ports is linked to libwrap, so none asks these files: " + strings.Join(programs, ", ")
	case fact.Unknown:
		src.Why = "whether a listening program asks these files is not known"
	}
	w.evaluate(s, &src, asks)
	return []seen{{src, "cat /etc/hosts.allow /etc/hosts.deny"}}, nil
}

func listFile(f rootfs.FS, name string) []string {
	b, _ := f.Read(name, 1<<20)
	return strings.Fields(string(b))
}

// listening gives the names by which programs on the edge's ports would ask,
// and whether one of them is linked to the library.
func listening(ctx context.Context, s *survey, f rootfs.FS) (asks []string, linked fact.Tri, programs []string) {
	asks = slices.Clone(webDaemons)
	l := s.env.Listeners(ctx)
	linked = fact.No
	known := false
	for _, sock := range l.Sockets {
		if !slices.Contains(s.env.Ports, sock.Port) {
			continue
		}
		if sock.Program == "" || sock.Exe == "" {
			linked = fact.Unknown
			continue
		}
		known = true
		if !slices.Contains(programs, sock.Program) {
			programs = append(programs, escape.Line(sock.Program, 60))
		}
		if !slices.Contains(asks, sock.Program) {
			asks = append(asks, sock.Program)
			if strings.HasPrefix(sock.Program, "stunnel") {
				asks = append(asks, stunnelServices(f)...)
			}
		}
		if loadsWrappers(s.env.Proc, sock.PID) {
			return asks, fact.Yes, programs
		}
		switch usesWrappers(f, sock.Exe) {
		case fact.Yes:
			return asks, fact.Yes, programs
		case fact.Unknown:
			linked = fact.Unknown
		}
	}
	if !known {
		linked = fact.Unknown
	}
	return asks, linked, programs
}

// stunnelServices are the names by which stunnel asks: those of its services.
func stunnelServices(f rootfs.FS) (out []string) {
	files, _ := f.Glob("/etc/stunnel/*.conf") // none: none
	for _, name := range files {
		b, _ := f.Read(name, maxFile)
		for line := range strings.Lines(string(b)) {
			if line = strings.TrimSpace(line); len(line) > 2 && line[0] == '[' && line[len(line)-1] == ']' && len(out) < 64 {
				out = append(out, line[1:len(line)-1])
			}
		}
	}
	return out
}

// loadsWrappers reports whether a process has the library loaded, linked to it
// or not: scripts and plug-ins load it as they run.
func loadsWrappers(proc string, pid int) bool {
	if pid == 0 {
		return false
	}
	file, err := os.Open(filepath.Join(proc, strconv.Itoa(pid), "maps"))
	if err != nil {
		return false
	}
	defer file.Close()
	maps, err := io.ReadAll(io.LimitReader(file, maxMaps))
	return err == nil && bytes.Contains(maps, []byte("/libwrap.so"))
}

// maxMaps bounds what is read of a process's memory map: an ordinary server's
// is some tens of KiB.
const maxMaps = 4 << 20

// usesWrappers looks for libwrap among the libraries of an executable. A
// script's interpreter says nothing about the script.
func usesWrappers(f rootfs.FS, exe string) fact.Tri {
	file, err := f.Open(exe)
	if err != nil {
		return fact.Unknown
	}
	defer file.Close()
	e, err := elf.NewFile(file)
	if err != nil {
		return fact.Unknown
	}
	libs, err := e.ImportedLibraries()
	if err != nil {
		return fact.Unknown
	}
	for _, l := range libs {
		if strings.HasPrefix(l, "libwrap.so") {
			return fact.Yes
		}
	}
	base := exe[strings.LastIndexByte(exe, '/')+1:]
	for _, interpreter := range []string{"python", "perl", "ruby", "sh", "bash", "dash", "inetd", "xinetd", "tcpd", "systemd"} {
		if strings.HasPrefix(base, interpreter) {
			return fact.Unknown
		}
	}
	return fact.No
}

// rule is one line: daemons, clients, and the options behind.
type rule struct {
	daemons []string
	clients []string
	verdict string // "allow" or "deny" as an option; empty = what the file means
	place   fact.Place
}

// parseWrappers reads a file in the format of hosts_access(5): lines joined by
// a backslash, fields by colons outside brackets.
func parseWrappers(file string, b []byte) []rule {
	var out []rule
	part, start := "", 0
	for i, l := range strings.Split(string(b), "\n") {
		l = strings.TrimRight(l, "\r")
		if part == "" {
			start = i + 1
		}
		if strings.HasSuffix(l, `\`) {
			part += l[:len(l)-1]
			continue
		}
		text := strings.TrimSpace(part + l)
		part = ""
		if text == "" || text[0] == '#' || len(out) > 100_000 {
			continue
		}
		f := colons(text)
		if len(f) < 2 {
			continue
		}
		r := rule{daemons: fields(f[0]), clients: fields(f[1]), place: fact.Place{File: file, Line: start, Text: escape.Line(text, 200)}}
		for _, o := range f[2:] {
			switch strings.ToLower(strings.TrimSpace(o)) {
			case "allow", "deny":
				r.verdict = strings.ToLower(strings.TrimSpace(o))
			}
		}
		out = append(out, r)
	}
	return out
}

// colons splits at colons that stand outside brackets and are not escaped.
func colons(s string) []string {
	var out []string
	var b strings.Builder
	depth := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s) && s[i+1] == ':':
			i++
			b.WriteByte(':')
		case c == '[':
			depth++
			b.WriteByte(c)
		case c == ']':
			depth = max(0, depth-1)
			b.WriteByte(c)
		case c == ':' && depth == 0:
			out = append(out, b.String())
			b.Reset()
		default:
			b.WriteByte(c)
		}
	}
	return append(out, b.String())
}

func fields(s string) []string {
	return strings.FieldsFunc(s, func(c rune) bool { return c == ' ' || c == '\t' || c == ',' })
}

// tcpd is the decision of both files.
type tcpd struct {
	allow, deny []rule
	list        func(file string) []string
}

// match evaluates "list EXCEPT list EXCEPT …": the last exception binds first.
func match(words []string, one func(string) bool) bool {
	for i, w := range words {
		if strings.EqualFold(w, "EXCEPT") {
			return match(words[:i], one) && !match(words[i+1:], one)
		}
	}
	return slices.ContainsFunc(words, one)
}

// decide gives the rule that refuses; nil = the client may pass.
func (t tcpd) decide(daemon string, a netip.Addr) *rule {
	for i := range t.allow {
		if t.holds(t.allow[i], daemon, a) {
			if t.allow[i].verdict == "deny" {
				return &t.allow[i]
			}
			return nil
		}
	}
	for i := range t.deny {
		if t.holds(t.deny[i], daemon, a) {
			if t.deny[i].verdict == "allow" {
				return nil
			}
			return &t.deny[i]
		}
	}
	return nil
}

func (t tcpd) holds(r rule, daemon string, a netip.Addr) bool {
	return match(r.daemons, func(w string) bool { return daemonMatches(w, daemon) }) &&
		match(r.clients, func(w string) bool { return t.clientMatches(w, a, 0) })
}

func daemonMatches(word, daemon string) bool {
	word, _, _ = strings.Cut(word, "@") // daemon@host: the host's own address
	return word == "ALL" || strings.EqualFold(word, daemon)
}

// clientMatches evaluates one client pattern for an address whose name is not
// known. Name patterns do not match: nobody would look the name up here.
func (t tcpd) clientMatches(w string, a netip.Addr, depth int) bool {
	if i := strings.LastIndexByte(w, '@'); i > 0 {
		w = w[i+1:] // user@host
	}
	switch {
	case w == "ALL":
		return true
	case w == "LOCAL", w == "KNOWN", w == "PARANOID", w == "UNKNOWN":
		return false
	case strings.HasPrefix(w, "/"):
		if depth > 2 {
			return false
		}
		return slices.ContainsFunc(t.list(w), func(x string) bool { return t.clientMatches(x, a, depth+1) })
	case strings.ContainsAny(w, "*?"):
		return glob(w, a.String())
	}
	p, ok := wrapperNet(w)
	return ok && p.Contains(a)
}

// wrapperNet reads "192.0.2.1", "192.0.2.", "192.0.2.0/255.255.255.0",
// "192.0.2.0/24", "[2001:db8::]/32", "[2001:db8::1]".
func wrapperNet(w string) (netip.Prefix, bool) {
	if strings.HasSuffix(w, ".") {
		n := strings.Count(w, ".")
		if n < 1 || n > 3 {
			return netip.Prefix{}, false
		}
		return cidr.Parse(w + strings.TrimSuffix(strings.Repeat("0.", 4-n), ".") + "/" + []string{"", "8", "16", "24"}[n])
	}
	return cidr.Parse(w)
}

// glob matches * and ? against an address.
func glob(pattern, s string) bool {
	for len(pattern) > 0 {
		switch pattern[0] {
		case '*':
			for i := 0; i <= len(s); i++ {
				if glob(strings.TrimLeft(pattern, "*"), s[i:]) {
					return true
				}
			}
			return false
		case '?':
			if s == "" {
				return false
			}
		default:
			if s == "" || s[0] != pattern[0] {
				return false
			}
		}
		pattern, s = pattern[1:], s[1:]
	}
	return s == ""
}

// nets are the networks that the rules name, so that every part of a range is
// asked about.
func (t tcpd) nets() []netip.Prefix {
	var out []netip.Prefix
	for _, r := range append(slices.Clone(t.allow), t.deny...) {
		for _, w := range r.clients {
			words := []string{w}
			if strings.HasPrefix(w, "/") {
				words = t.list(w)
			}
			for _, x := range words {
				if p, ok := wrapperNet(x); ok {
					out = append(out, p)
				}
			}
		}
	}
	return cidr.Sort(out)
}

// evaluate adds a ban for every range of which a part is refused.
func (t tcpd) evaluate(s *survey, src *fact.BanSource, daemons []string) {
	nets := t.nets()
	src.Total = len(t.deny)
	for _, rng := range s.env.Ranges {
		near := cidr.Touching(nets, rng)
		for _, a := range cidr.Representatives(rng, near) {
			r, daemon := t.refuses(daemons, a)
			if r == nil {
				continue
			}
			p := rng
			if x, ok := cidr.Containing(near, netip.PrefixFrom(a, a.BitLen())); ok && x.Bits() > rng.Bits() {
				p = x
			}
			name, _, _ := s.env.CDN(rng.Addr())
			if len(src.CDN) < maxListed {
				src.CDN = append(src.CDN, fact.Ban{
					Prefix: p, CDN: name, Range: rng, Place: r.place, Reason: "for " + escape.Line(daemon, 60),
					Remove:  escape.Shell("sed", "-i", strconv.Itoa(r.place.Line)+"s/^/#/", r.place.File),
					Restore: escape.Shell("sed", "-i", strconv.Itoa(r.place.Line)+"s/^#//", r.place.File),
				})
			}
		}
	}
}

func (t tcpd) refuses(daemons []string, a netip.Addr) (*rule, string) {
	for _, d := range daemons {
		if r := t.decide(d, a); r != nil {
			return r, d
		}
	}
	return nil, ""
}
