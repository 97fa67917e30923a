package ssh

import "strings"

// Marks of the remote script's own lines, which part them from whatever a
// login shell prints.
const (
	markReady = "originward-ssh ready "
	markRun   = "originward-ssh run"
)

// Exit statuses of the remote script (sysexits(3) where one fits).
const (
	exitNoDir     = 73 // EX_CANTCREAT: no directory from which programs can be run
	exitCut       = 74 // EX_IOERR: the program arrived incomplete
	exitCancelled = 75 // EX_TEMPFAIL: we gave up
)

// script is run by the remote sh. It goes through the login shell of the user,
// whichever that is, as one word in single quotes: so it is one line, without
// single quotes, backslashes, line breaks, or exclamation marks but before a
// space (csh reads its history there). Everything
// that varies comes over standard input, where no shell reads it as code:
//
//	one line "+ARG" per argument, then "."
//	one line with the size of the program in bytes, 0 to give up
//	the program
//
// After that standard input stays open for as long as the result is wanted:
// its end is how the script learns that the other side is gone. A program that
// is talked with (talk) reads it itself, and ends when it ends.
//
// A connection that is cut without a word is noticed by nobody for a long time:
// the directory then goes after ten minutes, which no transfer and no run takes.
// Who waits for that ends by itself when the directory is gone; a signal to a
// shell that was only just forked can be lost.
//
// The directory is made with mktemp under umask 077 in the first place from
// which a file can be executed.
var script = strings.Join([]string{
	`umask 077`,
	`d=`,
	`p=`,
	`clean() { if [ -n "$d" ]; then rm -rf "$d"; fi; }`,
	`trap clean EXIT`,
	`trap "exit 129" HUP`,
	`trap "exit 130" INT`,
	`trap "exit 141" PIPE`,
	`trap "exit 143" TERM`,
	`for t in "$XDG_RUNTIME_DIR" "${TMPDIR:-/tmp}" /tmp /var/tmp /dev/shm "$HOME"; do` +
		` if [ -z "$t" ] || [ "$d" ]; then continue; fi;` +
		` d=$(mktemp -d "$t/originward.XXXXXXXXXX" 2>/dev/null) || { d=; continue; };` +
		` echo "#/bin/sh" > "$d/t"; chmod 700 "$d/t";` +
		` if ("$d/t") 2>/dev/null; then rm "$d/t"; else rm -rf "$d"; d=; fi; done`,
	`if [ -z "$d" ]; then echo "originward: no directory to run a program from" >&2; exit 73; fi`,
	`echo "originward-ssh ready $(uname -sm) $d"`,
	`(i=0; while [ -d "$d" ] && [ "$i" -lt 600 ]; do sleep 1; i=$((i+1)); done; rm -rf "$d") >/dev/null 2>&1 </dev/null & p=`,
	`set --`,
	`while IFS= read -r a; do case "$a" in +*) set -- "$@" "${a#+}";; *) break;; esac; done`,
	`read -r n || exit 75`,
	`if [ "$n" = 0 ]; then exit 75; fi`,
	`head -c "$n" > "$d/originward"`,
	`if [ "$(wc -c < "$d/originward")" -ne "$n" ]; then exit 74; fi`,
	`chmod 700 "$d/originward"`,
	`exec 3<&0`,
	`echo "originward-ssh run"`,
}, "; ")

// once ends the script for a program that is only listened to: it is killed
// when nobody listens any more.
const once = `SUDO "$d/originward" "$@" </dev/null 3<&- & p=$! ; ` +
	`(cat <&3 >/dev/null 2>&1; kill "$p"; kill -TERM $$) >/dev/null 2>&1 & w=$! ; ` +
	`wait "$p"; s=$?; kill "$w" 2>/dev/null; exit "$s"`

// talk ends it for a program that is talked with: it is not killed, for it has
// to bring to an end what it began.
const talk = `SUDO "$d/originward" "$@" <&3 3<&- & p=$! ; exec 3<&-; wait "$p"; exit "$?"`

// command is the whole remote command.
func command(sudo bool, end string) string {
	prefix := ""
	if sudo {
		prefix = "sudo -n "
	}
	s := script + "; " + strings.ReplaceAll(end, `SUDO "$d`, prefix+`"$d`)
	return "exec sh -c '" + s + "'"
}
