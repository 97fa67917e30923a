package procs

import "strings"

// Words is the command line as it was given, also where a server has written a
// title over it: "nginx: master process /usr/sbin/nginx -c /x/nginx.conf" and
// "php-fpm: master process (/etc/php/8.2/fpm/php-fpm.conf)". Quotes of such a
// line are lost; what nginx's -g had in them is put together again.
func (p Process) Words() []string {
	if len(p.Args) == 0 {
		return nil
	}
	title := strings.TrimSpace(p.Args[0])
	if rest, ok := strings.CutPrefix(title, "nginx: master process "); ok {
		return joinDirectives(strings.Fields(rest))
	}
	if prog, rest, ok := strings.Cut(title, ": master process ("); ok && strings.HasPrefix(prog, "php-fpm") {
		return []string{prog, "-y", strings.TrimSuffix(rest, ")")}
	}
	return p.Args
}

// joinDirectives makes one word of everything between -g and the next flag.
func joinDirectives(words []string) []string {
	var out []string
	for i := 0; i < len(words); i++ {
		out = append(out, words[i])
		if words[i] != "-g" || i+1 >= len(words) {
			continue
		}
		value := words[i+1]
		for i += 2; i < len(words) && !strings.HasPrefix(words[i], "-"); i++ {
			value += " " + words[i]
		}
		i--
		out = append(out, value)
	}
	return out
}

// Flag gives the value of the first of the flags that the command line has:
// "-c FILE", "-cFILE" (for flags of one letter) or "--config=FILE". ok is
// false when it has none.
func Flag(words []string, flags ...string) (value string, ok bool) {
	for i := 1; i < len(words); i++ {
		for _, f := range flags {
			if words[i] == f {
				if i+1 < len(words) {
					return words[i+1], true
				}
				return "", false
			}
			rest, has := strings.CutPrefix(words[i], f)
			switch {
			case !has:
			case strings.HasPrefix(f, "--"):
				if v, eq := strings.CutPrefix(rest, "="); eq {
					return v, true
				}
			case len(f) == 2 && rest != "":
				return strings.TrimPrefix(rest, "="), true
			}
		}
	}
	return "", false
}
