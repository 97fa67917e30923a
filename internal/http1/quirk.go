package http1

import "strings"

// Quirk is a set of deviations that were tolerated, each because RFC 9112 allows
// the recipient to, or because nginx and Go both accept it and it has one reading
// only. QuirkBlankLine, QuirkObsText and
// QuirkMinorVersion are tolerated in requests too, the others in responses alone.
type Quirk uint16

// The tolerated deviations and their reasons.
const (
	// QuirkBareLF: a line of a response head ended by LF alone. RFC 9112
	// section 2.2 lets a recipient take it as a line end; CGI programs write it. nginx and
	// Go accept it. A CR elsewhere stays a fault, and so does a bare LF in chunk framing and trailers.
	QuirkBareLF Quirk = 1 << iota
	// QuirkNoReason: the status line ends after the code, without the space that the
	// grammar demands before an empty reason. nginx and Go accept it, many small servers write it.
	QuirkNoReason
	// QuirkStatusSpaces: several spaces between version and code. nginx and Go skip them.
	QuirkStatusSpaces
	// QuirkObsText: bytes above 0x7f in a reason or field value. The grammar allows them
	// (obs-text, RFC 9110 section 5.5), without a meaning; they are passed on unread.
	QuirkObsText
	// QuirkNameSpace: spaces between a field name and its colon. RFC 9112 section 5.1 makes a
	// proxy remove them from a response (nginx refuses them since 1.21.1, Go keeps them). Never
	// tolerated in a field the codec acts upon.
	QuirkNameSpace
	// QuirkSameLength: Content-Length repeated with one and the same value. RFC 9110 section 8.6
	// allows to take it as one; Go does.
	QuirkSameLength
	// QuirkChunkSpace: spaces or tabs after a chunk size (old servers pad it). nginx and Go skip them.
	QuirkChunkSpace
	// QuirkChunkExtension: a malformed chunk extension behind a ";", without control bytes. It
	// is ignored either way, and nginx and Go end it at the line's end as well.
	QuirkChunkExtension
	// QuirkUnusualStatus: a status code above 599. Passed through by nginx and Go; its class is unknown.
	QuirkUnusualStatus
	// QuirkMinorVersion: HTTP/1.2 to HTTP/1.9, to be treated as 1.1 (RFC 9110 section 2.5).
	QuirkMinorVersion
	// QuirkBlankLine: an empty line before a request line, which RFC 9112 section 2.2 asks servers to ignore.
	QuirkBlankLine

	quirkEnd
)

var quirkNames = [...]string{
	"bare_lf", "no_reason", "status_spaces", "obs_text", "name_space", "same_length", "chunk_space",
	"chunk_extension", "unusual_status", "minor_version", "blank_line",
}

// String lists the stable names of the quirks in the set, separated by commas; empty when there is none.
func (q Quirk) String() string {
	var names []string
	for i, name := range quirkNames {
		if q&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}
