package escape

import "strings"

// Shell joins words to a command line that a POSIX shell splits back into
// exactly these words. Words with control characters are given in the $'…'
// form (bash, zsh, ksh; POSIX since 2024), so that a pasted command holds no
// raw escape.
func Shell(words ...string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = ShellWord(w)
	}
	return strings.Join(quoted, " ")
}

// ShellWord quotes one word for a POSIX shell; words that need no quotes stay
// as they are.
func ShellWord(w string) string {
	switch {
	case w == "":
		return "''"
	case strings.Trim(w, shellSafe) == "" && w[0] != '=': // zsh reads =name as a path
		return w
	case plain(w, false):
		return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
	}
	var b strings.Builder
	b.WriteString("$'")
	for i := 0; i < len(w); i++ {
		switch c := w[i]; {
		case c == '\'' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c >= 0x7f:
			// Exactly three octal digits: unlike \x, no shell reads on
			// into the digits that follow.
			b.WriteByte('\\')
			b.WriteByte('0' + c>>6)
			b.WriteByte('0' + c>>3&7)
			b.WriteByte('0' + c&7)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('\'')
	return b.String()
}

// shellSafe are the characters that no POSIX shell treats specially inside a
// word.
const shellSafe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@%+,="
