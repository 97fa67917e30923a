package services

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
)

// maxUnits bounds the units asked for; each costs two calls.
const maxUnits = 64

// manager is a connection to systemd.
type manager struct{ conn *dbus.Conn }

// systemdRuns reports whether systemd is this machine's service manager
// (sd_booted(3)).
func systemdRuns(root string) bool {
	st, err := os.Stat(root + "/run/systemd/system")
	return err == nil && st.IsDir()
}

func connect(ctx context.Context) (*manager, error) {
	conn, err := dbus.NewSystemConnectionContext(ctx)
	if err != nil {
		var err2 error
		if conn, err2 = dbus.NewSystemdConnectionContext(ctx); err2 != nil {
			return nil, fmt.Errorf("system bus: %w; systemd: %w", err, err2)
		}
	}
	return &manager{conn}, nil
}

func (m *manager) close() { m.conn.Close() }

// names finds the units of the kinds, and those given.
func (m *manager) names(ctx context.Context, also []string) ([]string, error) {
	var patterns []string
	for _, k := range append(slices.Clone(kinds), app) {
		patterns = append(patterns, k.units...)
	}
	out := slices.Clone(also)
	failed, err := m.conn.ListUnitsByPatternsContext(ctx, []string{"failed", "auto-restart"}, []string{"*.service"})
	if err != nil {
		return nil, err
	}
	for _, u := range failed {
		out = append(out, u.Name)
	}
	loaded, err := m.conn.ListUnitsByPatternsContext(ctx, nil, patterns)
	if err != nil {
		return nil, err
	}
	for _, u := range loaded {
		if u.LoadState != "not-found" {
			out = append(out, u.Name)
		}
	}
	files, err := m.conn.ListUnitFilesByPatternsContext(ctx, nil, patterns)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if name := f.Path[strings.LastIndexByte(f.Path, '/')+1:]; !strings.Contains(name, "@.") && f.Type != "alias" {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	out = slices.Compact(out)
	return out[:min(len(out), maxUnits)], nil
}

// unit asks for one unit.
func (m *manager) unit(ctx context.Context, name string) (*unit, error) {
	p, err := m.conn.GetAllPropertiesContext(ctx, name)
	if err != nil {
		return nil, err
	}
	if text(p["LoadState"]) == "not-found" {
		return nil, os.ErrNotExist
	}
	u := &unit{
		name: text(p["Id"]), active: text(p["ActiveState"]), enabled: enabled(text(p["UnitFileState"])), result: text(p["Result"]),
		restarts: int(number(p["NRestarts"])), pid: int(number(p["MainPID"])), slice: text(p["Slice"]),
		ipDeny: prefixes(p["IPAddressDeny"]), ipAllow: prefixes(p["IPAddressAllow"]),
		frozen: text(p["FreezerState"]) == "frozen", exec: execStart(p["ExecStart"]),
	}
	u.ports = portsIn(u.exec, p["Environment"])
	if us := number(p["StateChangeTimestamp"]); us > 0 {
		u.since = time.UnixMicro(int64(us)).UTC()
	}
	u.died(number(p["ExecMainCode"]), int(number(p["ExecMainStatus"])))
	m.inherit(ctx, u)
	return u, nil
}

// portsIn are the numbers on a unit's command line and in its environment that
// can be the port on which its program listens: "3000", "--port=3000",
// "0.0.0.0:3000", PORT=3000.
func portsIn(words []string, environment any) []uint16 {
	env, _ := environment.([]string)
	var out []uint16
	for _, w := range slices.Concat(words, env) {
		if i := strings.LastIndexAny(w, ":="); i >= 0 {
			w = w[i+1:]
		}
		if n, err := strconv.ParseUint(w, 10, 16); err == nil && n >= 80 && !slices.Contains(out, uint16(n)) && len(out) < 8 {
			out = append(out, uint16(n))
		}
	}
	return out
}

// inherit adds the address lists of the slices above: what a unit is denied
// is the union of all of them (systemd.resource-control(5)).
func (m *manager) inherit(ctx context.Context, u *unit) {
	for slice := u.slice; slice != "" && slice != "-.slice"; {
		p, err := m.conn.GetUnitTypePropertiesContext(ctx, slice, "Slice")
		if err != nil {
			return
		}
		u.ipDeny = append(u.ipDeny, prefixes(p["IPAddressDeny"])...)
		u.ipAllow = append(u.ipAllow, prefixes(p["IPAddressAllow"])...)
		slice = text(p["Slice"])
	}
}

// died reads how the main process ended: code is a CLD_ constant of
// siginfo(2).
func (u *unit) died(code uint64, status int) {
	switch code {
	case 1: // CLD_EXITED
		u.exit = &status
	case 2, 3: // CLD_KILLED, CLD_DUMPED
		u.signal = signalName(status)
	}
}

// enabled reads UnitFileState (systemctl(1), is-enabled).
func enabled(state string) fact.Tri {
	switch state {
	case "enabled", "enabled-runtime", "alias", "generated":
		return fact.Yes
	case "disabled", "masked", "masked-runtime", "bad":
		return fact.No
	}
	return fact.Unknown
}

func text(v any) string {
	s, _ := v.(string)
	return escape.Line(s, 256)
}

func number(v any) uint64 {
	switch n := v.(type) {
	case uint64:
		return n
	case uint32:
		return uint64(n)
	case int32:
		return uint64(max(n, 0))
	case int64:
		return uint64(max(n, 0))
	}
	return 0
}

// prefixes reads an address list, a(iayu): family, address, length.
func prefixes(v any) []netip.Prefix {
	rows, _ := v.([][]any)
	var out []netip.Prefix
	for _, r := range rows {
		if len(r) != 3 {
			continue
		}
		b, _ := r[1].([]byte)
		n, _ := r[2].(uint32)
		if a, ok := netip.AddrFromSlice(b); ok {
			out = append(out, netip.PrefixFrom(a, int(n)))
		}
	}
	return out
}

// execStart reads the first command of a(sasbttttuii): path, arguments, …
func execStart(v any) []string {
	rows, _ := v.([][]any)
	if len(rows) == 0 || len(rows[0]) < 2 {
		return nil
	}
	args, _ := rows[0][1].([]string)
	return args
}
