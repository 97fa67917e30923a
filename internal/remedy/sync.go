package remedy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// ReloadAfter has a server test and read a file after it changed.
func ReloadAfter(st Step, server string) (Step, error) {
	if server == "" {
		return st, nil
	}
	c, ok := st.Do.(*Config)
	d := Daemon{Kind: server}
	if underSystemd() {
		d.Manager, d.Unit = "systemd", server
		if server == "apache" && !has("httpd") {
			d.Unit = "apache2"
		}
	}
	if !ok || testOf(d) == nil {
		return st, fmt.Errorf("server %q: allowed are nginx, apache, haproxy, caddy, lighttpd", server)
	}
	c.Serve, c.Then, c.Test = &d, opReload, testOf(Daemon{Kind: server})
	return st, nil
}

// SyncSet works out what a set on this machine lacks of a list.
func SyncSet(ctx context.Context, name string, list, withdrawn []netip.Prefix) (Step, error) {
	m := &Machine{}
	switch w := strings.Fields(name); len(w) {
	case 1:
		head, err := m.Run(ctx, "", "ipset", "-t", "list", name)
		if err != nil {
			return Step{}, err
		}
		now, err := (&IPSet{Set: name}).entries(ctx, m)
		if err != nil {
			return Step{}, err
		}
		var had []string
		for k := range now {
			had = append(had, k)
		}
		return RangesSet(name, list, withdrawn, strings.Contains(head, "family inet6"), had)
	case 3:
		head, err := m.Run(ctx, "", "nft", "-t", "list", "set", w[0], w[1], w[2])
		if err != nil {
			return Step{}, err
		}
		had, err := setElements(ctx, m, setAt{w[0], w[1], w[2]})
		if err != nil {
			return Step{}, err
		}
		return RangesSet(name, list, withdrawn, strings.Contains(head, "ipv6_addr"), had)
	}
	return RangesSet(name, list, withdrawn, false, nil)
}

// ApplyNow carries out one step that proves itself: a file that its server's
// own test passes, or a set in one transaction. One that fails is taken back.
func ApplyNow(ctx context.Context, st Step, dryRun bool) (changed bool, show []string, err error) {
	m := &Machine{Force: true}
	ch, err := st.Do.Plan(ctx, m)
	if err != nil || ch.None || dryRun {
		return !ch.None, ch.Show, err
	}
	if err := st.Do.Apply(ctx, m); err != nil {
		return false, nil, errors.Join(err, st.Do.Undo(context.WithoutCancel(ctx), m, ch.Before))
	}
	return true, ch.Show, nil
}

// Unit is a file of systemd.
type Unit struct{ Path, Content string }

// TimerUnits are a service that runs a command and a timer that starts it once
// a day, at a time that differs from host to host.
func TimerUnits(args []string) []Unit {
	var words []string
	for _, a := range args {
		words = append(words, systemdWord(a))
	}
	const dir, name = "/etc/systemd/system/", "originward-ranges"
	return []Unit{
		{dir + name + ".service", "[Unit]\nDescription=Keep the CDN's ranges fresh\nWants=network-online.target\nAfter=network-online.target\n\n[Service]\nType=oneshot\nExecStart=" + strings.Join(words, " ") + "\n"},
		{dir + name + ".timer", "[Unit]\nDescription=Keep the CDN's ranges fresh, once a day\n\n[Timer]\nOnCalendar=daily\nRandomizedDelaySec=6h\nPersistent=true\n\n[Install]\nWantedBy=timers.target\n"},
	}
}

// systemdWord quotes a word for a unit's command line (systemd.service(5)).
func systemdWord(s string) string {
	s = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%", "$", "$$").Replace(s)
	if strings.ContainsAny(s, " \t'\\\"") || s == "" {
		return `"` + s + `"`
	}
	return s
}

// InstallTimer writes the units and starts the timer.
func InstallTimer(ctx context.Context, units []Unit) error {
	if err := supported(); err != nil {
		return err
	}
	if !underSystemd() {
		return errors.New("systemd does not run this system; run the command from cron once a day")
	}
	c := &Config{}
	for _, u := range units {
		c.Edits = append(c.Edits, Edit{Path: u.Path, Content: []byte(u.Content)})
	}
	m := &Machine{}
	if err := c.Apply(ctx, m); err != nil {
		return err
	}
	if _, err := m.Run(ctx, "", "systemctl", "daemon-reload"); err != nil {
		return err
	}
	_, err := m.Run(ctx, "", "systemctl", "enable", "--now", "originward-ranges.timer")
	return err
}
