package bans

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/observe/host/cidr"
	"github.com/originward/originward/internal/observe/host/collect"
	"github.com/originward/originward/internal/observe/host/procs"
	"github.com/originward/originward/internal/observe/host/rootfs"
)

// f2b is one fail2ban server.
type f2b struct {
	fs     rootfs.FS
	conf   string // -c
	socket string // -s
	db     string
	args   []string // to name it to fail2ban-client
	pid    int
}

// fail2ban asks every running server over its socket; where that may not be
// done, its database.
func fail2ban(ctx context.Context, s *survey) ([]seen, []originward.NotObserved) {
	servers := f2bServers(s.env, s.env.Processes(ctx))
	var out []seen
	var gone []originward.NotObserved
	for _, f := range servers {
		list, err := f.ask(ctx, s)
		if err == nil {
			out = append(out, list...)
			continue
		}
		list, dbErr := f.readDB(ctx, s)
		if dbErr != nil {
			gone = append(gone, missing("fail2ban", fmt.Sprintf("it runs, but its socket %s (%v) and its database %s (%v) could not be read", f.socket, plain(err), f.db, plain(dbErr)),
				"run as root, or: "+f.client("status")))
			out = append(out, seen{fact.BanSource{Tool: "fail2ban", Why: "neither its socket nor its database could be read"}, f.client("status")})
			continue
		}
		out = append(out, list...)
		gone = append(gone, missing("fail2ban", "its socket could not be asked ("+plain(err)+"), so jails, actions and exceptions are not known; bans are from its database", "run as root, or: "+f.client("status")))
	}
	if len(servers) == 0 {
		fs := rootfs.FS{Root: s.env.Root}
		if fs.Exists("/etc/fail2ban/jail.conf") == fact.Yes {
			why := "fail2ban is installed and no fail2ban server runs in this network namespace"
			state := fact.No
			if t := s.env.Processes(ctx); t.Complete != fact.Yes {
				why, state = "fail2ban is installed; whether it runs could not be seen", fact.Unknown
			}
			out = append(out, seen{fact.BanSource{Tool: "fail2ban", State: state, Why: why, CDN: []fact.Ban{}, Private: []fact.Ban{}}, "fail2ban-client status"})
		}
	}
	return out, gone
}

// plain is an error without paths, which the sentence around it names.
func plain(err error) string {
	var en syscall.Errno
	if errors.As(err, &en) {
		return en.Error()
	}
	return escape.Line(err.Error(), 120)
}

// f2bServers finds the servers among the processes of this host.
func f2bServers(env *collect.Env, t procs.Table) []f2b {
	var out []f2b
	for _, p := range t.Ours() {
		if !isServer(p) {
			continue
		}
		f := f2b{fs: rootfs.For(env, p), conf: "/etc/fail2ban", pid: p.PID}
		if v, ok := procs.Flag(p.Args, "-c", "--conf"); ok {
			f.conf = absolute(v, p.Cwd)
			f.args = append(f.args, "-c", f.conf)
		}
		f.socket = f.setting("socket", "/var/run/fail2ban/fail2ban.sock")
		if v, ok := procs.Flag(p.Args, "-s", "--socket"); ok {
			f.socket = absolute(v, p.Cwd)
			f.args = append(f.args, "-s", f.socket)
		}
		f.db = f.setting("dbfile", "/var/lib/fail2ban/fail2ban.sqlite3")
		if v, ok := procs.Flag(p.Args, "--dbfile"); ok {
			f.db = absolute(v, p.Cwd)
		}
		out = append(out, f)
	}
	return out
}

// isServer: the server is a Python program, or carries the name itself.
func isServer(p procs.Process) bool {
	if p.Comm == "fail2ban-server" || p.Name() == "fail2ban-server" {
		return true
	}
	for i, a := range p.Args {
		if i < 4 && filepath.Base(a) == "fail2ban-server" {
			return true
		}
	}
	return false
}

func absolute(path, dir string) string {
	if filepath.IsAbs(path) || dir == "" {
		return path
	}
	return filepath.Join(dir, path)
}

// setting reads one value of fail2ban.conf, fail2ban.d and fail2ban.local; the
// last one counts.
func (f f2b) setting(name, def string) string {
	files := []string{f.conf + "/fail2ban.conf"}
	more, _ := f.fs.Glob(f.conf + "/fail2ban.d/*.conf")
	files = append(append(files, more...), f.conf+"/fail2ban.local")
	out := def
	for _, file := range files {
		b, _ := f.fs.Read(file, 1<<20)
		for _, l := range strings.Split(string(b), "\n") {
			k, v, ok := strings.Cut(l, "=")
			if ok && strings.TrimSpace(k) == name {
				v, _, _ = strings.Cut(strings.TrimSpace(v), " ;")
				out = v
			}
		}
	}
	return out
}

func (f f2b) client(words ...string) string {
	return escape.Shell(append(append([]string{"fail2ban-client"}, f.args...), words...)...)
}

// socketTime bounds one question to the server, which answers from memory.
const socketTime = 700 * time.Millisecond

// maxReply bounds an answer: a hundred thousand bans have some MiB.
const maxReply = 32 << 20

// conversation is one connection to the server's socket. The words that it
// sends ask only: status and get.
type conversation struct {
	c net.Conn
}

var replyEnd = []byte("<F2B_END_COMMAND>")

func (f f2b) dial(ctx context.Context) (*conversation, error) {
	path, err := f.fs.Real(f.socket)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: socketTime}
	c, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	return &conversation{c}, nil
}

func (c *conversation) ask(words ...string) (any, error) {
	if err := c.c.SetDeadline(time.Now().Add(socketTime)); err != nil {
		return nil, err
	}
	if _, err := c.c.Write(append(pickleRequest(words), replyEnd...)); err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	chunk := make([]byte, 64<<10)
	for !bytes.HasSuffix(buf.Bytes(), replyEnd) {
		n, err := c.c.Read(chunk)
		buf.Write(chunk[:n])
		if err != nil {
			return nil, err
		}
		if buf.Len() > maxReply {
			return nil, errors.New("the answer is too long")
		}
	}
	v, err := unpickle(bytes.TrimSuffix(buf.Bytes(), replyEnd))
	if err != nil {
		return nil, err
	}
	pair := items(v)
	if len(pair) != 2 || pair[0] != int64(0) {
		return nil, fmt.Errorf("fail2ban refused %q", strings.Join(words, " "))
	}
	return pair[1], nil
}

func (c *conversation) close() {
	c.c.Write(append([]byte("<F2B_CLOSE_COMMAND>"), replyEnd...))
	c.c.Close()
}

// ask gives the jails of a running server.
func (f f2b) ask(ctx context.Context, s *survey) ([]seen, error) {
	c, err := f.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer c.close()
	st, err := c.ask("status")
	if err != nil {
		return nil, err
	}
	names, _ := lookup(st, "Jail list").(string)
	var out []seen
	for _, jail := range strings.Split(names, ",") {
		jail = strings.TrimSpace(jail)
		if jail == "" || len(out) >= 200 {
			continue
		}
		src, err := f.jail(c, s, jail)
		if err != nil {
			return nil, err
		}
		out = append(out, seen{src, f.client("get", jail, "banip", "--with-time")})
	}
	if len(out) == 0 {
		out = append(out, seen{fact.BanSource{Tool: "fail2ban", State: fact.Yes, CDN: []fact.Ban{}, Private: []fact.Ban{}, Why: "it runs without any jail"}, f.client("status")})
	}
	return out, nil
}

func (f f2b) jail(c *conversation, s *survey, jail string) (fact.BanSource, error) {
	src := fact.BanSource{Tool: "fail2ban", Jail: escape.Line(jail, 100), State: fact.Yes, CDN: []fact.Ban{}, Private: []fact.Ban{}, Sets: []string{"f2b-" + escape.Line(jail, 100), "addr-set-" + escape.Line(jail, 100)}}
	bans, err := c.ask("get", jail, "banip", "--with-time")
	if err != nil { // before 0.11
		st, err := c.ask("status", jail)
		if err != nil {
			return src, err
		}
		bans = lookup(lookup(st, "Actions"), "Banned IP list")
		if text, ok := bans.(string); ok {
			list := []any{}
			for _, w := range strings.Fields(text) {
				list = append(list, w)
			}
			bans = &list
		}
	}
	for _, line := range texts(bans) {
		if e, ok := banLine(line); ok {
			f.commands(&e, jail)
			s.add(&src, e)
		}
	}
	if v, err := c.ask("get", jail, "ignoreip"); err == nil {
		for _, w := range texts(v) {
			if p, ok := cidr.Parse(w); ok {
				src.Ignore = append(src.Ignore, p)
			}
		}
		src.IgnoreCDN = s.ignores(src.Ignore)
	}
	if v, err := c.ask("get", jail, "logpath"); err == nil {
		src.LogFile = escape.Line(strings.Join(texts(v), ", "), 300)
	}
	src.Action = f.action(c, jail)
	return src, nil
}

func (f f2b) commands(e *entry, jail string) {
	addr := e.prefix.String()
	if e.prefix.IsSingleIP() {
		addr = e.prefix.Addr().String()
	}
	e.remove = f.client("set", jail, "unbanip", addr)
	e.restore = f.client("set", jail, "banip", addr)
}

// action says what a ban of a jail does, from the actions' own commands.
func (f f2b) action(c *conversation, jail string) string {
	v, err := c.ask("get", jail, "actions")
	if err != nil {
		return ""
	}
	var out []string
	for _, name := range texts(v) {
		end := ""
		for _, property := range []string{"blocktype", "actionban"} {
			if v, err := c.ask("get", jail, "action", name, property); err == nil && end == "" {
				text, _ := v.(string)
				end = verb(text)
			}
		}
		out = append(out, strings.TrimSpace(escape.Line(name, 80)+" "+end))
	}
	return strings.Join(out, ", ")
}

// verb finds what a firewall command does with a packet.
func verb(cmd string) string {
	low := strings.ToLower(cmd)
	switch {
	case strings.Contains(low, "tcp-reset") || strings.Contains(low, "tcp reset"):
		return "reject with tcp-reset"
	case strings.Contains(low, "reject"):
		return "reject"
	case strings.Contains(low, "drop"):
		return "drop"
	case strings.Contains(low, "blackhole"):
		return "blackhole"
	case strings.Contains(low, "unreachable"):
		return "unreachable"
	}
	return ""
}

// banLine reads "192.0.2.1 \t2026-11-22 10:00:00 + 600 = 2026-11-22 10:10:00",
// local time, or an address alone.
var banTimes = regexp.MustCompile(`^(\S+)\s*(?:(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) \+ (-?\d+) = (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d))?`)

func banLine(line string) (entry, bool) {
	m := banTimes.FindStringSubmatch(line)
	if m == nil {
		return entry{}, false
	}
	p, ok := cidr.Parse(m[1])
	if !ok {
		return entry{}, false
	}
	e := entry{prefix: p}
	if m[2] != "" {
		e.since, _ = time.ParseInLocation(time.DateTime, m[2], time.Local)
		if secs, _ := strconv.ParseInt(m[3], 10, 64); secs > 0 { // negative: for ever
			e.until, _ = time.ParseInLocation(time.DateTime, m[4], time.Local)
		}
	}
	return e, true
}

// readDB reads the bans that are in force from the database.
func (f f2b) readDB(ctx context.Context, s *survey) ([]seen, error) {
	db, err := openDB(f.fs, f.db)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	rows, err := db.QueryContext(ctx, "SELECT jail, ip, timeofban, bantime FROM bips")
	if err != nil {
		if rows, err = db.QueryContext(ctx, "SELECT jail, ip, timeofban, bantime FROM bans"); err != nil {
			return nil, err
		}
	}
	defer rows.Close()
	jails := map[string]*fact.BanSource{}
	var order []string
	for rows.Next() {
		var jail, ip string
		var at, length int64
		if err := rows.Scan(&jail, &ip, &at, &length); err != nil {
			return nil, err
		}
		e := entry{since: time.Unix(at, 0)}
		if length >= 0 {
			e.until = e.since.Add(time.Duration(length) * time.Second)
		}
		p, ok := cidr.Parse(ip)
		if !ok || length >= 0 && e.until.Before(s.env.Now()) {
			continue
		}
		e.prefix = p
		f.commands(&e, jail)
		if jails[jail] == nil {
			jails[jail] = &fact.BanSource{Tool: "fail2ban", Jail: escape.Line(jail, 100), State: fact.Yes, File: f.db, CDN: []fact.Ban{}, Private: []fact.Ban{}, Why: "from the database: bans lifted by hand may still be in it"}
			order = append(order, jail)
		}
		s.add(jails[jail], e)
	}
	var out []seen
	for _, j := range order {
		out = append(out, seen{*jails[j], escape.Shell("sqlite3", "-readonly", f.db, "SELECT jail, ip, datetime(timeofban,'unixepoch'), bantime FROM bips")})
	}
	return out, rows.Err()
}
