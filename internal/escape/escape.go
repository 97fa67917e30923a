// Package escape makes foreign text safe to show.
//
// Whatever an origin, a log line, a header or a certificate says is hostile: it
// may carry terminal escapes, fake line breaks, text that runs backwards, or
// ten megabytes of it. Every such text passes here once, where it becomes
// evidence, and is then plain, printable, bounded text.
package escape

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// ellipsis marks that text was cut. It is counted within the bound.
const ellipsis = "…"

const hexDigits = "0123456789abcdef"

// Line makes s one printable line of at most max bytes. Control characters,
// line breaks, invalid UTF-8, and characters that are invisible or change the
// direction of writing are shown as \n, \t, \xNN or \u{N}; a backslash is left
// alone, so the result is for people, not for parsing back. A max of 0 or less
// gives the empty string.
func Line(s string, max int) string { return clean(s, max, false) }

// Text is Line for text of several lines: line feeds and tabs stay as they
// are, CR LF becomes LF.
func Text(s string, max int) string { return clean(s, max, true) }

// Bytes is Line for raw bytes.
func Bytes(b []byte, max int) string {
	// Each byte gives at least one byte of output, so nothing past max+1
	// bytes of input can matter (utf8.UTFMax keeps a rune at the edge whole).
	if max > 0 && len(b) > max+utf8.UTFMax {
		b = b[:max+utf8.UTFMax]
	}
	return Line(string(b), max)
}

func clean(s string, max int, lines bool) string {
	if max <= 0 {
		return ""
	}
	if len(s) <= max && plain(s, lines) {
		return s
	}
	var b strings.Builder
	cut := -1 // length of b at which an ellipsis would still fit
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if b.Len() <= max-len(ellipsis) {
			cut = b.Len()
		}
		if lines && r == '\r' && strings.HasPrefix(s[i+n:], "\n") {
			i += n
			continue
		}
		write(&b, r, s[i:i+n], lines)
		if b.Len() > max {
			return shorten(b.String(), cut, max)
		}
		i += n
	}
	return b.String()
}

// shorten cuts s at cut and marks it, or, where even the mark does not fit,
// says nothing rather than half a character.
func shorten(s string, cut, max int) string {
	if cut < 0 {
		return strings.Repeat(".", max)
	}
	return s[:cut] + ellipsis
}

func plain(s string, lines bool) bool {
	for _, r := range s {
		if r == utf8.RuneError || (!Printable(r) && !(lines && (r == '\n' || r == '\t'))) {
			return false
		}
	}
	return true
}

func write(b *strings.Builder, r rune, raw string, lines bool) {
	switch {
	case r == utf8.RuneError && len(raw) == 1:
		hexByte(b, raw[0])
	case lines && (r == '\n' || r == '\t'), Printable(r):
		b.WriteRune(r)
	case r == '\n':
		b.WriteString(`\n`)
	case r == '\r':
		b.WriteString(`\r`)
	case r == '\t':
		b.WriteString(`\t`)
	case r < utf8.RuneSelf:
		hexByte(b, byte(r))
	default:
		writeRune(b, r)
	}
}

func hexByte(b *strings.Builder, c byte) {
	b.WriteString(`\x`)
	b.WriteByte(hexDigits[c>>4])
	b.WriteByte(hexDigits[c&15])
}

func writeRune(b *strings.Builder, r rune) {
	b.WriteString(`\u{`)
	shift := 28
	for shift > 0 && r>>shift == 0 {
		shift -= 4
	}
	for ; shift >= 0; shift -= 4 {
		b.WriteByte(hexDigits[(r>>shift)&15])
	}
	b.WriteByte('}')
}

// Printable reports whether a character may stand in a line as it is: it has a
// shape or is a plain space, and neither moves the cursor nor changes the
// direction of what follows.
func Printable(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= ' ' && r != 0x7f
	}
	if r == utf8.RuneError {
		return true // the replacement character itself, properly encoded
	}
	// IsPrint leaves out format characters (bidi overrides, zero-width
	// joiners, tags), private use, surrogates and every space but U+0020.
	return unicode.IsPrint(r)
}
