package allowlist

import "strings"

// iptables reads one rule of iptables-save or of a script: its source match and
// its target.
func (p *parser) iptables(args []string, line string) {
	var sources []string
	target, negated := "", false
	for i := 0; i+1 < len(args); i++ {
		switch args[i] {
		case "-s", "--source", "--src", "--src-range":
			negated = negated || i > 0 && args[i-1] == "!" || args[i+1] == "!"
			sources = append(sources, strings.Split(args[i+1], ",")...)
		case "-j", "--jump", "-g", "--goto":
			target = args[i+1]
		}
	}
	if len(sources) == 0 {
		return
	}
	switch {
	case negated:
		p.unread(line, "a negated match")
	case target == "ACCEPT" || target == "RETURN":
		p.words(sources, false)
	case target == "DROP" || target == "REJECT":
		p.words(sources, true)
	case target == "":
		p.unread(line, "a rule without a target")
	default:
		p.unread(line, "what happens to these addresses is decided in chain "+target)
	}
}
