package legacy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/originward/originward/internal/firewall/ruleset"
)

// ErrNoTool says that legacy tables exist and nothing here can print them.
var ErrNoTool = errors.New("legacy iptables tables exist, but no legacy save tool was found")

// toolTimeout bounds one run of the save tool; 50,000 rules take it under two seconds.
const toolTimeout = 20 * time.Second

// maxOutput bounds what is read from it.
const maxOutput = 256 << 20

// Read parses the legacy tables of one family in the thread's network namespace. Only tables that exist are asked for,
// because touching a missing one can create it. tool is the save program, empty to look for it; the one used is
// returned.
func Read(ctx context.Context, proc string, fam ruleset.Family, tool string) (tables []*ruleset.Table, used string, err error) {
	names, err := existing(proc, fam)
	if err != nil || len(names) == 0 {
		return nil, "", err
	}
	if used = tool; used == "" {
		if used = find(ctx, fam); used == "" {
			return nil, "", ErrNoTool
		}
	}
	for _, name := range names {
		out, err := save(ctx, used, name)
		if err != nil {
			return nil, used, err
		}
		t, err := Parse(bytes.NewReader(out), fam)
		if err != nil {
			return nil, used, fmt.Errorf("%s -t %s: %w", used, name, err)
		}
		tables = append(tables, t...)
	}
	return tables, used, nil
}

// existing lists the tables the kernel has for this namespace.
func existing(proc string, fam ruleset.Family) ([]string, error) {
	file := "net/ip_tables_names"
	if fam == ruleset.IP6 {
		file = "net/ip6_tables_names"
	}
	// The thread's own view: another thread of this process may be in another namespace.
	b, err := os.ReadFile(filepath.Join(proc, "thread-self", file))
	if errors.Is(err, fs.ErrNotExist) {
		b, err = os.ReadFile(filepath.Join(proc, file))
	}
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(filepath.Join(proc, "self")); err != nil {
			return nil, fmt.Errorf("legacy iptables tables: no process file system at %s", proc)
		}
		return nil, nil // the old xtables are not in this kernel
	}
	if err != nil {
		return nil, fmt.Errorf("legacy iptables tables: %w", err)
	}
	return strings.Fields(string(b)), nil
}

// dirs are searched beside PATH, which often lacks the system directories.
var dirs = []string{"/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin"}

// find looks for the legacy save tool: by its own name, else the plain one where that is the legacy build.
func find(ctx context.Context, fam ruleset.Family) string {
	base := "iptables"
	if fam == ruleset.IP6 {
		base = "ip6tables"
	}
	if p := lookup(base + "-legacy-save"); p != "" {
		return p
	}
	p := lookup(base + "-save")
	if p == "" {
		return ""
	}
	out, err := exec.CommandContext(ctx, p, "--version").CombinedOutput()
	if err != nil || strings.Contains(string(out), "nf_tables") {
		return ""
	}
	return p
}

func lookup(name string) string {
	if p, err := exec.LookPath(name); err == nil {
		return p
	}
	for _, d := range dirs {
		p := filepath.Join(d, name)
		if st, err := os.Stat(p); err == nil && !st.IsDir() && st.Mode()&0o111 != 0 {
			return p
		}
	}
	return ""
}

// save runs the tool for one table.
func save(ctx context.Context, tool, table string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, toolTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, tool, "-c", "-t", table)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var errOut bytes.Buffer
	out := &limited{max: maxOutput}
	cmd.Stdout, cmd.Stderr = out, &errOut
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s -c -t %s: %w: %s", tool, table, err, strings.TrimSpace(errOut.String()))
	}
	return out.Bytes(), nil
}

// limited is a buffer that refuses to grow beyond its limit.
type limited struct {
	bytes.Buffer
	max int
}

func (l *limited) Write(b []byte) (int, error) {
	if l.Len()+len(b) > l.max {
		return 0, fmt.Errorf("output of more than %d bytes", l.max)
	}
	return l.Buffer.Write(b)
}
