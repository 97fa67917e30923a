package bans

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"io"
	"os/exec"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/observe/host/cidr"
	"github.com/originward/originward/internal/observe/host/rootfs"
)

// ufw reads the rules that an administrator gave to ufw.
func ufw(_ context.Context, s *survey) ([]seen, []originward.NotObserved) {
	f := rootfs.FS{Root: s.env.Root}
	if f.Exists("/etc/ufw/ufw.conf") == fact.No {
		return nil, nil
	}
	state, why := fact.Unknown, ""
	conf, err := read(f, "/etc/ufw/ufw.conf")
	if err != nil {
		why = "ufw.conf could not be read: " + plain(err)
	}
	for _, l := range conf {
		if v, ok := strings.CutPrefix(strings.ToUpper(strings.ReplaceAll(l.text, " ", "")), "ENABLED="); ok {
			state = fact.TriOf(v == "YES")
			if v != "YES" {
				why = "ufw is disabled in ufw.conf"
			}
		}
	}
	var out []seen
	var gone []originward.NotObserved
	for _, name := range []string{"/etc/ufw/user.rules", "/etc/ufw/user6.rules", "/lib/ufw/user.rules"} {
		b, err := f.Read(name, maxFile)
		if err != nil {
			if f.Exists(name) != fact.No {
				gone = append(gone, denied("ufw", name, err)...)
			}
			continue
		}
		src := newSource("ufw", name)
		src.State, src.Why = state, why
		for i, l := range strings.Split(string(b), "\n") {
			e, action, ok := ufwTuple(l)
			if !ok {
				continue
			}
			e.place = place(name, line{l, i + 1})
			src.Action = action
			s.add(&src, e)
		}
		out = append(out, seen{src, "ufw status numbered"})
	}
	return out, gone
}

// ufwTuple reads "### tuple ### deny tcp 80 0.0.0.0/0 any 192.0.2.0/24 in": the
// action, protocol, port, destination, source port and source of a rule that
// refuses incoming packets, with application names and the direction behind.
// Rules for every source are no ban.
func ufwTuple(text string) (entry, string, bool) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), "### tuple ###")
	if !ok {
		return entry{}, "", false
	}
	f := strings.Fields(rest)
	if len(f) < 7 {
		return entry{}, "", false
	}
	action, route := strings.CutPrefix(f[0], "route:")
	action, logged, _ := strings.Cut(action, "_") // deny_log, deny_log-all
	p, ok := cidr.Parse(f[5])
	if !ok || p.Bits() == 0 || action != "deny" && action != "reject" && action != "limit" {
		return entry{}, "", false
	}
	e := entry{prefix: p}
	in, app, iface := false, "", ""
	for i, w := range f[6:] {
		if c, ok := strings.CutPrefix(w, "comment="); ok {
			if b, err := hex.DecodeString(c); err == nil {
				e.reason = string(b)
			}
			continue
		}
		if name, ok := strings.CutPrefix(w, "in_"); ok {
			in, iface = true, name
		}
		in = in || w == "in"
		if i == 0 && w != "-" && !strings.HasPrefix(w, "in") && !strings.HasPrefix(w, "out") {
			app = strings.ReplaceAll(w, "%20", " ")
		}
	}
	words := []string{action}
	if iface != "" {
		words = append(words, "in", "on", iface)
	}
	if logged != "" {
		words = append(words, logged)
	}
	if f[1] != "any" && app == "" {
		words = append(words, "proto", f[1])
	}
	words = append(words, "from", p.String())
	switch {
	case app != "":
		words = append(words, "to", "any", "app", app)
	case f[2] != "any":
		words = append(words, "to", "any", "port", f[2])
	}
	remove, restore := []string{"ufw", "delete"}, []string{"ufw", "prepend"}
	if route {
		remove, restore = []string{"ufw", "route", "delete"}, []string{"ufw", "route", "prepend"}
	}
	e.remove, e.restore = escape.Shell(append(remove, words...)...), escape.Shell(append(restore, words...)...)
	return e, action, in
}

// firewalld's files: what is permanent. What was set at run time only shows in
// the packet filter itself.
type zoneFile struct {
	Target  string `xml:"target,attr"`
	Sources []struct {
		Address string `xml:"address,attr"`
		IPSet   string `xml:"ipset,attr"`
	} `xml:"source"`
	Rules []struct {
		Source *struct {
			Address string `xml:"address,attr"`
			IPSet   string `xml:"ipset,attr"`
			Invert  string `xml:"invert,attr"`
		} `xml:"source"`
		Drop   *struct{} `xml:"drop"`
		Reject *struct {
			Type string `xml:"type,attr"`
		} `xml:"reject"`
	} `xml:"rule"`
}

type setFile struct {
	Entries []string `xml:"entry"`
}

// firewalld reads zones and sets that refuse sources.
func firewalld(ctx context.Context, s *survey) ([]seen, []originward.NotObserved) {
	f := rootfs.FS{Root: s.env.Root}
	if f.Exists("/etc/firewalld") == fact.No {
		return nil, nil
	}
	state := running(ctx, s, "firewalld")
	why := ""
	if state == fact.No {
		why = "firewalld does not run in this network namespace"
	}
	zones, err := f.Glob("/etc/firewalld/zones/*.xml")
	if err != nil {
		return nil, denied("firewalld", "/etc/firewalld/zones", err)
	}
	var out []seen
	var gone []originward.NotObserved
	for _, name := range zones {
		b, err := f.Read(name, maxFile)
		var z zoneFile
		if err == nil {
			err = xml.Unmarshal(b, &z)
		}
		if err != nil {
			gone = append(gone, denied("firewalld", name, err)...)
			continue
		}
		zone := strings.TrimSuffix(path.Base(name), ".xml")
		src := newSource("firewalld", name)
		src.Jail, src.State, src.Why = "zone "+escape.Line(zone, 80), state, why
		zoneSources(s, f, &src, zone, z)
		if src.Total > 0 {
			out = append(out, seen{src, escape.Shell("firewall-cmd", "--permanent", "--zone="+zone, "--list-all")})
		}
	}
	if len(out) == 0 {
		src := newSource("firewalld", "")
		src.State, src.Why = state, why
		out = append(out, seen{src, "firewall-cmd --list-all-zones"})
	}
	return out, gone
}

func zoneSources(s *survey, f rootfs.FS, src *fact.BanSource, zone string, z zoneFile) {
	if z.Target == "DROP" || z.Target == "%%REJECT%%" || zone == "drop" || zone == "block" {
		src.Action = map[bool]string{true: "drop", false: "reject"}[z.Target == "DROP" || zone == "drop"]
		for _, x := range z.Sources {
			zoneEntry(s, f, src, x.Address, x.IPSet, []string{"firewall-cmd", "--permanent", "--zone=" + zone, "--remove-source=" + x.Address + ipsetName(x.IPSet)})
		}
	}
	for _, r := range z.Rules {
		if r.Source == nil || r.Drop == nil && r.Reject == nil || r.Source.Invert == "yes" || r.Source.Invert == "true" {
			continue
		}
		src.Action = "drop"
		if r.Reject != nil {
			src.Action = strings.TrimSpace("reject " + escape.Line(r.Reject.Type, 60))
		}
		rule := `rule source address="` + r.Source.Address + `" ` + strings.Fields(src.Action)[0]
		if r.Source.IPSet != "" {
			rule = `rule source ipset="` + r.Source.IPSet + `" ` + strings.Fields(src.Action)[0]
		}
		zoneEntry(s, f, src, r.Source.Address, r.Source.IPSet, []string{"firewall-cmd", "--permanent", "--zone=" + zone, "--remove-rich-rule=" + rule})
	}
}

func ipsetName(name string) string {
	if name == "" {
		return ""
	}
	return "ipset:" + name
}

func zoneEntry(s *survey, f rootfs.FS, src *fact.BanSource, addr, set string, remove []string) {
	if p, ok := cidr.Parse(addr); ok {
		s.add(src, entry{prefix: p, remove: escape.Shell(remove...), place: fact.Place{File: src.File}})
	}
	if set == "" || strings.Contains(set, "/") {
		return
	}
	name := "/etc/firewalld/ipsets/" + set + ".xml"
	b, err := f.Read(name, maxFile)
	var x setFile
	if err != nil || xml.Unmarshal(b, &x) != nil {
		src.Why = strings.TrimPrefix(src.Why+"; the set "+escape.Line(set, 80)+" could not be read", "; ")
		return
	}
	src.Sets = append(src.Sets, escape.Line(set, 80))
	for _, e := range x.Entries {
		if p, ok := cidr.Parse(e); ok {
			s.add(src, entry{
				prefix: p, place: fact.Place{File: name},
				remove: escape.Shell("firewall-cmd", "--permanent", "--ipset="+set, "--remove-entry="+e),
			})
		}
	}
}

// setTime bounds `ipset save`: a set of half a million addresses takes 0.3 s.
const setTime = 2 * time.Second

// ipset lists the sets of this network namespace. Whether a rule uses them is
// for the packet filter to say.
func ipset(ctx context.Context, s *survey) ([]seen, []originward.NotObserved) {
	f := rootfs.FS{Root: s.env.Root}
	if s.env.Root != "/" && s.env.Root != "" || f.Exists("/sys/module/ip_set") == fact.No {
		return nil, nil // no set can exist, and asking would load the module
	}
	bin, err := exec.LookPath("ipset")
	if err != nil {
		for _, p := range []string{"/usr/sbin/ipset", "/sbin/ipset"} {
			if f.Exists(p) == fact.Yes {
				bin = p
			}
		}
	}
	if bin == "" {
		return nil, nil // the packet filter's own reading covers sets in use
	}
	ctx, cancel := context.WithTimeout(ctx, setTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, "save")
	cmd.Env = []string{"LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.WaitDelay = 200 * time.Millisecond
	var stdout bytes.Buffer
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &limited{w: &stdout, left: 64 << 20}, &limited{w: &stderr, left: 4 << 10}
	if err := cmd.Run(); err != nil {
		how := "run as root"
		if ctx.Err() != nil {
			how = "ipset save"
		}
		return nil, []originward.NotObserved{missing("ipset", "`ipset save`: "+plain(err)+": "+strings.TrimSpace(stderr.String()), how)}
	}
	return ipsetSave(s, &stdout), nil
}

// limited takes so many bytes and then refuses.
type limited struct {
	w    io.Writer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	if len(p) > l.left {
		return 0, errors.New("the output is too long")
	}
	l.left -= len(p)
	return l.w.Write(p)
}

var setTimeout = regexp.MustCompile(` timeout (\d+)`)

// ipsetSave reads the output of `ipset save`.
func ipsetSave(s *survey, r io.Reader) []seen {
	all, _ := io.ReadAll(r)
	var out []seen
	var cur *fact.BanSource
	for _, l := range strings.Split(string(all), "\n") {
		f := strings.Fields(l)
		switch {
		case len(f) > 2 && f[0] == "create":
			src := newSource("ipset", "")
			src.Jail, src.Sets = escape.Line(f[1], 80), []string{escape.Line(f[1], 80)}
			src.List = foreign(f[1])
			out = append(out, seen{src, escape.Shell("ipset", "list", f[1])})
			cur = &out[len(out)-1].BanSource
			if !strings.HasPrefix(f[2], "hash:ip") && !strings.HasPrefix(f[2], "hash:net") {
				cur.State, cur.Why = fact.Unknown, "a set of type "+escape.Line(f[2], 40)+" is not read"
			}
		case len(f) > 2 && f[0] == "add" && cur != nil:
			if strings.HasSuffix(l, " nomatch") {
				continue // an exception
			}
			addr, _, _ := strings.Cut(f[2], ",") // hash:ip,port
			p, ok := cidr.Parse(addr)
			if !ok {
				continue
			}
			e := entry{prefix: p, remove: escape.Shell("ipset", "del", f[1], f[2]), restore: escape.Shell("ipset", "add", f[1], f[2])}
			if m := setTimeout.FindStringSubmatch(l); m != nil {
				if n, err := strconv.ParseInt(m[1], 10, 32); err == nil && n > 0 {
					e.until = s.env.Now().Add(time.Duration(n) * time.Second)
				}
			}
			s.add(cur, e)
		}
	}
	return out
}

// foreign recognises the names of sets that hold fetched blocklists. CrowdSec's
// sets hold its own bans too: its decisions say which.
func foreign(name string) fact.Tri {
	low := strings.ToLower(name)
	if strings.HasPrefix(low, "crowdsec") {
		return fact.Unknown
	}
	for _, w := range []string{"firehol", "spamhaus", "dshield", "blocklist", "bl_", "abuse", "feodo", "ipsum", "emerging", "talos"} {
		if strings.Contains(low, w) {
			return fact.Yes
		}
	}
	for _, w := range strings.FieldsFunc(low, func(r rune) bool { return r == '-' || r == '_' || r == '.' }) {
		if w == "tor" || w == "torexit" || w == "edrop" {
			return fact.Yes
		}
	}
	return fact.Unknown // "drop" or "blacklist" may be anyone's own
}
