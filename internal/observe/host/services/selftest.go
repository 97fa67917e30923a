package services

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/observe/host/sandbox"
)

// selftest is how a program checks its own configuration.
type selftest struct {
	args []string // what makes it a test
	keep []flag   // flags of the running command line that a test needs too
	conf string   // flag for the configuration file where the command line has none; empty = the program knows its default
	// errors picks the lines that say what is wrong; nil = every line.
	errors *regexp.Regexp
	// passed says that the configuration itself was accepted, whatever came
	// after it in the test.
	passed string
}

// flag is a flag of a command line, with or without a value.
type flag struct {
	name  string
	value bool
}

var (
	nginxTest = selftest{args: []string{"-t"}, keep: []flag{{"-c", true}, {"-p", true}, {"-g", true}, {"-e", true}},
		errors: regexp.MustCompile(`\[(emerg|crit|error|alert)\]`), passed: "syntax is ok"}
	apacheTest   = selftest{args: []string{"-t"}, keep: []flag{{"-f", true}, {"-d", true}, {"-D", true}, {"-c", true}, {"-C", true}}}
	haproxyTest  = selftest{args: []string{"-c"}, keep: []flag{{"-f", true}, {"-C", true}, {"-L", true}, {"-n", true}}, conf: "-f", errors: regexp.MustCompile(`\[ALERT\]`)}
	caddyTest    = selftest{args: []string{"validate"}, keep: []flag{{"--config", true}, {"-config", true}, {"--adapter", true}, {"--envfile", true}}, conf: "--config", errors: regexp.MustCompile(`(?i)error`)}
	lighttpdTest = selftest{args: []string{"-tt"}, keep: []flag{{"-f", true}, {"-m", true}}, conf: "-f"}
	fpmTest      = selftest{args: []string{"-t"}, keep: []flag{{"-y", true}, {"-c", true}, {"-p", true}, {"-R", false}}, conf: "-y", errors: regexp.MustCompile(`ERROR|ALERT`)}
)

// command is the command line of the test, from that of the program.
func (t *selftest) command(exe string, words []string, config string) []string {
	cmd := append([]string{exe}, t.args...)
	named := false
	for i := 1; i < len(words); i++ {
		for _, f := range t.keep {
			switch {
			case words[i] == f.name && !f.value:
				cmd = append(cmd, words[i])
			case words[i] == f.name && i+1 < len(words) && !strings.Contains(words[i+1], "$"):
				cmd = append(cmd, words[i], words[i+1])
				named = named || f.name == t.conf
				i++
			case f.value && len(f.name) == 2 && strings.HasPrefix(words[i], f.name) && len(words[i]) > 2,
				strings.HasPrefix(f.name, "--") && strings.HasPrefix(words[i], f.name+"="):
				cmd = append(cmd, words[i])
				named = named || f.name == t.conf
			default:
				continue
			}
			break
		}
	}
	if t.conf != "" && !named && config != "" {
		cmd = append(cmd, t.conf, config)
	}
	return cmd
}

// judge reads what a test printed. confined says what the sandbox refused;
// root whether permissions could not have been in the way.
func (t *selftest) judge(cmd []string, out sandbox.Output, root bool) (fact.Test, string) {
	res := fact.Test{Command: escape.Shell(cmd...), OK: fact.TriOf(out.Code == 0), Output: escape.Text(out.Text, 4096)}
	if out.Code == 0 {
		return res, ""
	}
	lines := t.lines(out.Text)
	res.Errors = places(lines)
	all := strings.Join(lines, "\n")
	switch {
	case out.Faked && onlyAbout(lines, "Read-only file system"):
		res.OK, res.Errors = fact.Unknown, nil
		if t.passed != "" && strings.Contains(out.Text, t.passed) {
			res.OK = fact.Yes
			return res, ""
		}
		return res, "its test wants to write, which is not done here"
	case !root && (strings.Contains(all, "Permission denied") || strings.Contains(all, "permission denied")):
		res.OK, res.Errors = fact.Unknown, nil
		return res, "its test needs to read files of root"
	case out.Code < 0:
		res.OK = fact.Unknown
		return res, "its test was ended by a signal"
	}
	return res, ""
}

func (t *selftest) lines(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.Contains(line, "could not open error log file") {
			continue
		}
		if t.errors == nil || t.errors.MatchString(line) {
			out = append(out, line)
		}
	}
	if len(out) == 0 && t.errors != nil {
		u := selftest{}
		return u.lines(text)
	}
	return out
}

func onlyAbout(lines []string, what string) bool {
	return len(lines) > 0 && !slices.ContainsFunc(lines, func(l string) bool { return !strings.Contains(l, what) })
}

// forms are the ways in which programs name a file and line. Each has the
// groups file and line.
var forms = []*regexp.Regexp{
	regexp.MustCompile(` in (?P<file>/[^\s:]+):(?P<line>\d+)`),                    // nginx
	regexp.MustCompile(`on line (?P<line>\d+) of (?P<file>/[^\s:]+)`),             // Apache
	regexp.MustCompile(`[\[( ](?P<file>/[^\s:\]]+):(?P<line>\d+)(?:[\]):, ]|$)`),  // haproxy, php-fpm, caddy
	regexp.MustCompile(`source: (?P<file>/\S+) line: (?P<line>\d+)`),              // lighttpd
	regexp.MustCompile(`["'(](?P<file>/[^\s"']+\.(?:pem|crt|key|conf|cfg|sock))`), // a file alone
}

// maxErrors bounds the lines kept of a test.
const maxErrors = 8

// places makes the lines of an output places with the file and line that they
// name. A line that names only the place is joined with the one after it.
func places(lines []string) []fact.Place {
	var out []fact.Place
	for i := 0; i < len(lines) && len(out) < maxErrors; i++ {
		p := fact.Place{Text: lines[i]}
		p.File, p.Line = place(lines[i])
		if p.Line > 0 && strings.HasSuffix(lines[i], ":") && i+1 < len(lines) {
			i++
			p.Text += " " + lines[i]
		}
		p.Text, p.File = escape.Line(p.Text, 400), escape.Line(p.File, 256)
		out = append(out, p)
	}
	return out
}

func place(line string) (file string, n int) {
	for _, re := range forms {
		m := re.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		if i := re.SubexpIndex("line"); i > 0 {
			n, _ = strconv.Atoi(m[i])
		}
		return m[re.SubexpIndex("file")], n
	}
	return "", 0
}

// binDirs are where programs are installed.
var binDirs = []string{"/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin", "/sbin", "/bin", "/usr/local/openresty/nginx/sbin", "/usr/local/nginx/sbin", "/usr/local/lsws/bin"}

// installed finds a kind's program below root; empty when it is not installed.
func installed(root string, k *kind) string {
	for _, prog := range k.progs {
		for _, dir := range binDirs {
			if stem, any := strings.CutSuffix(prog, "*"); any {
				if m, _ := filepath.Glob(filepath.Join(root, dir, stem+"*")); len(m) > 0 {
					return filepath.Join(dir, filepath.Base(m[len(m)-1]))
				}
				continue
			}
			if st, err := os.Stat(filepath.Join(root, dir, prog)); err == nil && st.Mode().IsRegular() && st.Mode().Perm()&0o111 != 0 {
				return filepath.Join(dir, prog)
			}
		}
	}
	return ""
}
