package remedy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
)

// Route takes routes out of the routing tables.
type Route struct {
	Delete []RouteEntry `json:"delete"`
}

// RouteEntry is one route by what tells it from others.
type RouteEntry struct {
	Type   string       `json:"type"` // blackhole, unreachable, prohibit, throw, unicast
	Prefix netip.Prefix `json:"prefix"`
	Table  string       `json:"table,omitempty"` // empty = main
}

// args are the arguments of ip that list this route and its like.
func (e RouteEntry) args() []string {
	f := "-4"
	if e.Prefix.Addr().Is6() {
		f = "-6"
	}
	a := []string{f, "route", "show", "exact", e.Prefix.String()}
	if e.Table != "" && e.Table != "main" {
		a = append(a, "table", e.Table)
	}
	return a
}

// noise are words of a listing that say how a route is, not which it is.
var noise = []string{"linkdown", "dead", "offload", "trap"}

// listed gives the route's line as ip lists it; empty = it is not there.
func (e RouteEntry) listed(ctx context.Context, m *Machine) ([]string, error) {
	out, err := m.Run(ctx, "", "ip", e.args()...)
	if err != nil {
		if strings.Contains(err.Error(), "table does not exist") {
			return nil, nil
		}
		return nil, err
	}
	for _, l := range strings.Split(out, "\n") {
		w := slices.DeleteFunc(strings.Fields(l), func(s string) bool { return slices.Contains(noise, s) })
		if i := slices.Index(w, "error"); i >= 0 && i+1 < len(w) {
			w = append(w[:i:i], w[i+2:]...)
		}
		special := len(w) > 0 && slices.Contains([]string{"blackhole", "unreachable", "prohibit", "throw"}, w[0])
		if len(w) == 0 || special != (e.Type != "unicast") || special && w[0] != e.Type {
			continue
		}
		return w, nil
	}
	return nil, nil
}

func (e RouteEntry) command(verb string, words []string) []string {
	f := "-4"
	if e.Prefix.Addr().Is6() {
		f = "-6"
	}
	a := append([]string{f, "route", verb}, words...)
	if e.Table != "" && e.Table != "main" && !slices.Contains(words, "table") {
		a = append(a, "table", e.Table)
	}
	return a
}

// Plan shows the routes that go.
func (r *Route) Plan(ctx context.Context, m *Machine) (Change, error) {
	was := map[int][]string{}
	ch := Change{}
	for i, e := range r.Delete {
		w, err := e.listed(ctx, m)
		if err != nil {
			return ch, err
		}
		if w != nil {
			was[i] = w
			ch.Show = append(ch.Show, command("ip", e.command("del", w)...))
		}
	}
	ch.Before, ch.None = encode(was), len(was) == 0
	return ch, nil
}

// Apply takes them out.
func (r *Route) Apply(ctx context.Context, m *Machine) error {
	for _, e := range r.Delete {
		w, err := e.listed(ctx, m)
		if err != nil {
			return err
		}
		if w == nil {
			continue
		}
		if _, err := m.Run(ctx, "", "ip", e.command("del", w)...); err != nil {
			return err
		}
	}
	return nil
}

// Undo puts them back as they were listed.
func (r *Route) Undo(ctx context.Context, m *Machine, before json.RawMessage) error {
	var was map[int][]string
	if err := json.Unmarshal(before, &was); err != nil {
		return err
	}
	for i, e := range r.Delete {
		if was[i] == nil {
			continue
		}
		w, err := e.listed(ctx, m)
		if err != nil {
			return err
		}
		if w != nil {
			continue
		}
		if _, err := m.Run(ctx, "", "ip", e.command("add", was[i])...); err != nil {
			return err
		}
	}
	return nil
}

// Sysctl sets kernel parameters.
type Sysctl struct {
	Set map[string]string `json:"set"` // key with dots or slashes as in /proc/sys
}

func sysctlPath(key string) string { return filepath.Join("/proc/sys", filepath.Clean("/"+key)) }

func (s *Sysctl) keys() []string {
	var out []string
	for k := range s.Set {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// Plan shows the parameters with what they are.
func (s *Sysctl) Plan(_ context.Context, m *Machine) (Change, error) {
	was := map[string]string{}
	ch := Change{None: true}
	for _, k := range s.keys() {
		raw, err := readSysctl(m, k)
		if err != nil {
			return ch, err
		}
		was[k] = raw
		if raw != s.Set[k] {
			ch.None = false
			ch.Show = append(ch.Show, fmt.Sprintf("sysctl -w %s   # now %s", escape.ShellWord(strings.ReplaceAll(k, "/", ".")+"="+s.Set[k]), raw))
		}
	}
	ch.Before = encode(was)
	return ch, nil
}

func readSysctl(m *Machine, key string) (text string, err error) {
	err = m.do(func() error {
		raw, err := os.ReadFile(sysctlPath(key))
		text = strings.Join(strings.Fields(string(raw)), " ")
		return err
	})
	return text, err
}

func writeSysctl(m *Machine, key, value string) error {
	return m.do(func() error { return os.WriteFile(sysctlPath(key), []byte(value), 0o644) })
}

// Apply sets them.
func (s *Sysctl) Apply(_ context.Context, m *Machine) error {
	for _, k := range s.keys() {
		if err := writeSysctl(m, k, s.Set[k]); err != nil {
			return err
		}
	}
	return nil
}

// Undo sets what was there.
func (s *Sysctl) Undo(_ context.Context, m *Machine, before json.RawMessage) error {
	var was map[string]string
	if err := json.Unmarshal(before, &was); err != nil {
		return err
	}
	var errs []error
	for _, k := range s.keys() {
		if v, ok := was[k]; ok {
			errs = append(errs, writeSysctl(m, k, v))
		}
	}
	return errors.Join(errs...)
}

// planRoute takes out the routes that capture replies to the CDN.
func planRoute(_ context.Context, s *site, _ []originward.Finding) ([]Step, error) {
	r := &Route{}
	for _, it := range fact.All[fact.Routes](s.b, originward.Host) {
		for _, sp := range it.Fact.Special {
			if len(sp.Covers) == 0 || sp.Prefix.Bits() == 0 {
				continue
			}
			r.Delete = append(r.Delete, RouteEntry{sp.Type, sp.Prefix, sp.Table})
		}
	}
	if len(r.Delete) == 0 {
		return nil, errors.New("no route of its own captures the CDN's ranges; look at the policy rules (`ip rule`)")
	}
	st := step("route", "take out "+Plural(len(r.Delete), "route", "routes")+" that captured replies to the CDN", r)
	st.Risk = "what else went by this route takes the default route from now on; the file or program that set it may set it again"
	return []Step{st}, nil
}

// planLoose loosens the strict reverse-path filter where packets come in on
// another interface than replies would leave by.
func planLoose(_ context.Context, s *site, _ []originward.Finding) ([]Step, error) {
	set := map[string]string{}
	for _, it := range fact.All[fact.Addresses](s.b, originward.Host) {
		for _, i := range it.Fact.Interfaces {
			if i.RPFilter == 1 && i.Name != "lo" {
				set["net/ipv4/conf/"+i.Name+"/rp_filter"] = "2"
			}
		}
	}
	if len(set) == 0 {
		return nil, errors.New("no interface has the strict reverse-path filter; a routing rule per address of the host is needed, which a person has to write")
	}
	st := step("sysctl", "loosen the reverse-path filter of "+Plural(len(set), "interface", "interfaces"), &Sysctl{Set: set})
	st.Risk = "a source is accepted when any interface leads to it (RFC 3704, loose mode); a routing rule per address would be stricter"
	keep := step("config", "keep it loose", &Config{Edits: []Edit{{Path: "/etc/sysctl.d/60-originward.conf", Content: sysctlFile(set)}}})
	keep.Persist = true
	return []Step{st, keep}, nil
}

func sysctlFile(set map[string]string) []byte {
	s := &Sysctl{Set: set}
	text := "# Written by originward fix.\n"
	for _, k := range s.keys() {
		text += strings.ReplaceAll(k, "/", ".") + " = " + set[k] + "\n"
	}
	return []byte(text)
}
