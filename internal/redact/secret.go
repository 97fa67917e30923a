package redact

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// secretWords are words in the name of a value that must not be told.
const secretWords = `passw(?:or)?d|passphrase|pwd|secret|token|api[-_]?key|apikey|access[-_]?key|private[-_]?key|auth[-_]?key|credential|sess(?:ion)?[-_]?(?:id|key)?|phpsessid|jsessionid|signature|jwt|otp|csrf|xsrf|hmac`

// secretHeaders are header fields whose value is the visitor's or the owner's
// alone.
const secretHeaders = `authorization|proxy-authorization|set-cookie2?|cookie|x-api-key|x-auth-[a-z-]+|x-csrf-token|x-xsrf-token|x-amz-security-token|x-access-token|cf-access-[a-z-]+|cf-authorization|x-forwarded-email|x-originward-secret`

// secretRules are tried in this order. The group "v" is what is replaced; a
// rule without it replaces the whole match.
var secretRules = sync.OnceValue(func() []*regexp.Regexp {
	return []*regexp.Regexp{
		// A private key, also one that was cut off.
		regexp.MustCompile(`(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|$)`),
		// A header, in a log line or a command: to the end of its quotes, or of the line.
		regexp.MustCompile(`(?i)\b(?:` + secretHeaders + `)\b["']?\s*[:=]\s*["']?(?P<v>[^"'\r\n]+)`),
		// A header that a server is told to set.
		regexp.MustCompile(`(?i)\b(?:proxy_set_header|add_header|fastcgi_param|(?:request)?header\s+\w+(?:\s+\w+)?|(?:set|add)-header)\s+["']?(?:` + secretHeaders + `)["']?\s+["']?(?P<v>[^"'\r\n;]+)`),
		// user:password@ in a URL.
		regexp.MustCompile(`(?i)\b[a-z][a-z0-9+.-]*://(?P<v>[^/\s"'@]+)@`),
		// name=value, "name": "value", name: value.
		regexp.MustCompile(`(?i)[\w.-]*(?:` + secretWords + `)[\w.-]*["']?\]?\s*(?:=>|:=|[:=])\s*["']?(?P<v>[^\s"',;&\[\]]+)`),
		// A variable that a server is told to pass on.
		regexp.MustCompile(`(?i)\b(?:(?:fastcgi|uwsgi|scgi)_param|setenv|env|set)\s+["']?[$\w.-]*(?:` + secretWords + `)[\w.-]*["']?\s+["']?(?P<v>[^\s"';]+)`),
		// Directives of servers that take their secret behind a space; words alone are prose.
		regexp.MustCompile(`(?i)\b(?:insecure-password|requirepass|masterauth)\s+["']?(?P<v>[^\s"',;]+)`),
		regexp.MustCompile(`(?i)\b(?:password|passwd|passphrase|secret)\s+["']?(?P<v>[^\s"',;]*[^a-z\s"',;:.()][^\s"',;]*)`),
		regexp.MustCompile(`\b(?i:bearer|basic)\s+["']?(?P<v>[A-Za-z0-9+/_.~=-]*[A-Z0-9+/_.~=-][A-Za-z0-9+/_.~=-]*)`),
		// curl's and wget's way to say who they are.
		regexp.MustCompile(`(?:^|\s)(?:-u|--user|--proxy-user)[ =]["']?(?P<v>[^\s"':]+:[^\s"']*)`),
		// Tokens that tell by their form whose they are.
		regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,2}`),
		regexp.MustCompile(`\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b|\bAIza[A-Za-z0-9_-]{20,}|\bgh[pousr]_[A-Za-z0-9]{16,}|\bgithub_pat_\w{16,}|\bglpat-[\w-]{16,}|\bxox[abeprs]-[\w-]{8,}|\b[sr]k_(?:live|test)_\w{8,}|\bSG\.[\w-]{10,}|\bnpm_\w{20,}|\bsess_\w{8,}`),
	}
})

var (
	// What stands behind a question mark in a URL or request line.
	query = regexp.MustCompile(`([\w/%~.\])-])\?([^\s"'<>?]*[=&%][^\s"'<>]*|[\w-]{12,})`)
	pair  = regexp.MustCompile(`([^=&]*)(=?)([^&]*)`)
	// A fragment that carries values.
	fragment  = regexp.MustCompile(`#([\w-]+=[^\s"'<>]+)`)
	queryName = regexp.MustCompile(`^[A-Za-z_][\w.\[\]-]{0,31}$`)

	longWord = regexp.MustCompile(`[A-Za-z0-9_+=-]{20,}`)
	hexWord  = regexp.MustCompile(`^[0-9a-fA-F]{32,}$`)
	// A ray is what a CDN's support asks for.
	rayWord = regexp.MustCompile(`^[0-9a-f]{16}-[A-Z]{3}$`)
	mail    = regexp.MustCompile(`[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}`)
	// A field of JSON, such as a header, that is a secret as a whole.
	secretField = regexp.MustCompile(`(?i)^(?:` + secretHeaders + `)$`)

	done = regexp.MustCompile(`^\[?secret-\d+\]?$`)
)

// secrets replaces everything that looks like one. Words too many are the
// lesser harm.
func (r *Redactor) secrets(s string) string {
	for _, re := range secretRules() {
		s = replaceGroup(re, s, r.secret)
	}
	s = query.ReplaceAllStringFunc(s, func(t string) string {
		i := strings.IndexByte(t, '?')
		return t[:i+1] + r.values(t[i+1:])
	})
	s = fragment.ReplaceAllStringFunc(s, func(t string) string { return "#" + r.values(t[1:]) })
	s = longWord.ReplaceAllStringFunc(s, func(w string) string {
		if rayWord.MatchString(w) || !random(w) {
			return w
		}
		return r.secret(w)
	})
	return mail.ReplaceAllStringFunc(s, func(m string) string {
		if strings.HasSuffix(m, "@redacted.invalid") {
			return m
		}
		r.tally[Mail]++
		return r.m.substitute(Mail, strings.ToLower(m), func(n int) string { return fmt.Sprintf("person-%d@redacted.invalid", n) })
	})
}

// values keeps the names in a query and replaces the values.
func (r *Redactor) values(q string) string {
	return pair.ReplaceAllStringFunc(q, func(t string) string {
		name, value, ok := strings.Cut(t, "=")
		switch {
		case t == "":
			return ""
		case !ok || !queryName.MatchString(name) || random(name):
			return r.secret(t)
		case value == "", strings.EqualFold(value, r.opts.Host):
			return t // the site's own name is dealt with like everywhere else
		}
		return name + "=" + r.secret(value)
	})
}

// secret gives what stands for a secret.
func (r *Redactor) secret(s string) string {
	if done.MatchString(strings.TrimSpace(s)) || s == "" {
		return s
	}
	r.tally[Secret]++
	return r.m.substitute(Secret, fmt.Sprintf("%x", r.m.hash(s)[:16]), func(n int) string { return fmt.Sprintf("[secret-%d]", n) })
}

// random tells a word that a machine made up from one that a person wrote.
func random(w string) bool {
	if hexWord.MatchString(w) {
		return true
	}
	var lower, upper, digit, turns int
	last := byte(0)
	for _, c := range []byte(w) {
		class := byte(0)
		switch {
		case c >= 'a' && c <= 'z':
			lower, class = 1, 'a'
		case c >= 'A' && c <= 'Z':
			upper, class = 1, 'A'
		case c >= '0' && c <= '9':
			digit, class = 1, '0'
		}
		if class != last {
			turns++
		}
		last = class
	}
	// Names of people, units and ciphers change class at most once every four letters.
	return lower+upper+digit == 3 && turns*4 > len(w)
}

// replaceGroup replaces the group "v" of every match, or the whole match.
func replaceGroup(re *regexp.Regexp, s string, by func(string) string) string {
	g := max(re.SubexpIndex("v"), 0)
	var b strings.Builder
	last := 0
	for _, m := range re.FindAllStringSubmatchIndex(s, -1) {
		from, to := m[2*g], m[2*g+1]
		b.WriteString(s[last:from])
		b.WriteString(by(s[from:to]))
		last = to
	}
	if last == 0 {
		return s
	}
	b.WriteString(s[last:])
	return b.String()
}
