package remedy

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// Edit is the wanted content of one file.
type Edit struct {
	Path    string      `json:"path"`
	Content []byte      `json:"content,omitempty"`
	Remove  bool        `json:"remove,omitempty"`
	Mode    fs.FileMode `json:"mode,omitempty"` // of a new file; an old one keeps its own
	// Secret keeps the content out of what is shown: a private key.
	Secret bool `json:"secret,omitempty"`
}

// Config changes files, has the server's own test pass them, and puts them into
// force; all of it is one step, so that taking it back ends with the server
// running what it ran before.
type Config struct {
	Edits []Edit   `json:"edits"`
	Test  []string `json:"test,omitempty"`  // the server's own test; one of tests
	Serve *Daemon  `json:"serve,omitempty"` // who reads the files; nil = nobody has to be told
	Then  string   `json:"then,omitempty"`  // reload, restart or start
}

// configState is what files and server were.
type configState struct {
	Files   []file `json:"files"`
	Written []file `json:"written"` // what the step makes of them
	Running bool   `json:"running"`
}

func (c *Config) look() (configState, error) {
	was := configState{Running: c.Serve != nil && c.Serve.running()}
	for _, e := range c.Edits {
		f, err := readFile(e.Path)
		if err != nil {
			return was, err
		}
		g := f
		g.Changed, g.Dirs = time.Time{}, nil
		g.There, g.Content = !e.Remove, e.Content
		if !f.There {
			g.Mode = e.Mode
			if g.Mode == 0 {
				g.Mode = 0o644
			}
		}
		was.Files, was.Written = append(was.Files, f), append(was.Written, g)
	}
	return was, nil
}

// Plan shows the files' diffs, the test and how they come into force.
func (c *Config) Plan(context.Context, *Machine) (Change, error) {
	was, err := c.look()
	if err != nil {
		return Change{}, err
	}
	ch := Change{Before: encode(was), None: true}
	for i, e := range c.Edits {
		if was.Files[i].same(was.Written[i]) {
			continue
		}
		ch.None = false
		switch {
		case e.Secret:
			ch.Show = append(ch.Show, fmt.Sprintf("write %s (a private key, %d bytes, mode %04o)", e.Path, len(e.Content), was.Written[i].Mode))
		default:
			ch.Show = append(ch.Show, unifiedDiff(was.Files[i].Path, string(was.Files[i].Content), string(e.Content))...)
		}
	}
	if len(c.Test) > 0 {
		ch.Show = append(ch.Show, command(c.Test[0], c.Test[1:]...))
	}
	if c.units() {
		ch.Show = append(ch.Show, "systemctl daemon-reload")
	}
	if c.Serve != nil && c.Then != "" {
		ch.Show = append(ch.Show, c.Serve.command(c.then(was.Running)))
	}
	return ch, nil
}

// then is how the files come into force, given whether the server runs.
func (c *Config) then(running bool) string {
	switch {
	case c.Then == "":
		return ""
	case !running:
		return opStart
	case c.Then == opStart:
		return opReload
	}
	return c.Then
}

// Apply writes, tests and puts into force.
func (c *Config) Apply(ctx context.Context, m *Machine) error {
	was, err := c.look()
	if err != nil {
		return err
	}
	for i, f := range was.Written {
		if was.Files[i].same(f) {
			continue
		}
		if err := f.write(); err != nil {
			return fmt.Errorf("write %s: %w", f.Path, err)
		}
	}
	if len(c.Test) > 0 {
		if _, err := m.Run(ctx, "", c.Test[0], c.Test[1:]...); err != nil {
			return fmt.Errorf("the server's own test refuses the change: %w", err)
		}
	}
	if err := c.readUnits(ctx, m); err != nil {
		return err
	}
	if op := c.then(was.Running); op != "" && c.Serve != nil {
		return c.Serve.run(ctx, m, op)
	}
	return nil
}

// units reports whether files of systemd are among those that are changed.
func (c *Config) units() bool {
	return slices.ContainsFunc(c.Edits, func(e Edit) bool { return strings.HasPrefix(e.Path, "/etc/systemd/") })
}

// readUnits has systemd read its files anew.
func (c *Config) readUnits(ctx context.Context, m *Machine) error {
	if !c.units() {
		return nil
	}
	_, err := m.Run(ctx, "", "systemctl", "daemon-reload")
	return err
}

// Undo writes the files back and lets the server run what it ran before.
func (c *Config) Undo(ctx context.Context, m *Machine, before json.RawMessage) error {
	var was configState
	if err := json.Unmarshal(before, &was); err != nil {
		return err
	}
	if !m.Force {
		for i, f := range was.Files {
			now, err := readFile(f.Path)
			if err != nil {
				return err
			}
			if !now.same(f) && !now.same(was.Written[i]) {
				return fmt.Errorf("%s was changed since; take the fix out of it by hand, or use --force to write back what it was", f.Path)
			}
		}
	}
	serves := c.Serve != nil && c.Then != ""
	if serves && !was.Running && c.Serve.running() { // before its configuration may be one that it refuses
		if err := c.Serve.run(ctx, m, "stop"); err != nil {
			return err
		}
	}
	changed, err := putBack(was.Files)
	if err != nil {
		return err
	}
	if changed {
		if err := c.readUnits(ctx, m); err != nil {
			return err
		}
	}
	if !serves || !was.Running {
		return nil
	}
	if len(c.Test) > 0 {
		if _, err := m.Run(ctx, "", c.Test[0], c.Test[1:]...); err != nil {
			return nil //nolint:nilerr // it refused these files before too: it goes on with what it has read
		}
	}
	switch running := c.Serve.running(); {
	case running && changed:
		return c.Serve.run(ctx, m, c.then(true))
	case !running:
		return c.Serve.run(ctx, m, opStart)
	}
	return nil
}

// tests are the servers' own tests of their configuration.
func testOf(d Daemon) []string {
	exe, conf := d.Exe, d.Config
	if exe == "" {
		exe = d.Kind
	}
	switch d.Kind {
	case "nginx":
		a := []string{exe, "-t", "-q"}
		if conf != "" {
			a = append(a, "-c", conf)
		}
		return a
	case "apache":
		return []string{apachectl(), "-t"}
	case "haproxy":
		if conf == "" {
			conf = "/etc/haproxy/haproxy.cfg"
		}
		return []string{exe, "-c", "-f", conf}
	case "lighttpd":
		if conf == "" {
			conf = "/etc/lighttpd/lighttpd.conf"
		}
		return []string{exe, "-tt", "-f", conf}
	case "caddy":
		if conf == "" {
			conf = "/etc/caddy/Caddyfile"
		}
		return []string{exe, "validate", "--config", conf}
	case "crowdsec":
		return []string{exe, "-c", conf, "-t"}
	}
	return nil
}
