package http1

// Kind names exactly what is wrong with a message. The list is closed and
// append-only: the names ([Kind.String]) appear in saved evidence. The zero value
// is not a fault.
type Kind uint8

// The kinds, by the part of the message that they concern.
const (
	KindNone Kind = iota

	// The connection ended or failed. ParseError.Err says how (io.EOF: closed in order).
	EmptyReply       // not one byte of a response arrived
	NoRequest        // not one byte of a request arrived; with io.EOF the orderly end of a connection
	HeadTruncated    // the head began, its end never came
	BodyTruncated    // fewer body bytes than Content-Length; Want and Have count them
	ChunkedTruncated // a chunked body ended before its last chunk and trailer section; Have counts data bytes

	// The start line.
	NotHTTP        // the bytes are not an HTTP/1 message at all; ParseError.Looks says what they resemble
	BadRequestLine // not "method SP target SP version"
	BadStatusLine  // begins with HTTP/ but is not "version SP 3DIGIT [SP reason]"
	BadStatusCode  // three digits below 100
	BadVersion     // an HTTP version other than 1.x
	BadMethod      // the method is no token, or over-long
	BadTarget      // the request target is none of the four forms, or holds a forbidden byte
	TargetTooLong  // the request target is longer than Limits.Target

	// Lines of the head.
	BareLF          // a line ended by LF alone
	BareCR          // a CR that no LF follows
	ObsFold         // a field value continued on the next line (obsolete folding)
	MissingColon    // a field line without a colon
	SpaceAroundName // white space between a field name and its colon, or before the first field
	BadFieldName    // a field name that is empty or no token
	BadFieldValue   // a control byte in a field value
	HeadTooLarge    // the head is longer than Limits.Head; Want is the limit, Have the bytes seen
	TooManyFields   // more field lines than Limits.Fields

	// Host.
	MissingHost  // an HTTP/1.1 request without Host
	MultipleHost // more than one Host line
	BadHost      // Host is empty or no valid host[:port]
	HostMismatch // the absolute-form target and Host name different hosts

	// Connection.
	BadConnection // Connection nominates more than maxNominated unknown fields

	// Framing.
	BadContentLength       // Content-Length is no plain decimal number, or too large
	DuplicateContentLength // several Content-Length lines (in a response: with different values)
	CLandTE                // Content-Length and Transfer-Encoding together
	BadTransferEncoding    // Transfer-Encoding other than exactly "chunked", repeated, or in HTTP/1.0

	// Chunked bodies.
	BadChunkSize      // the chunk size is no hexadecimal number or has too many digits
	BadChunkExtension // what follows the chunk size is no chunk extension
	ChunkLineTooLong  // a chunk-size line is longer than Limits.ChunkLine, or all of them waste too much
	ChunkTooLong      // a chunk larger than Limits.Chunk
	BadChunkEnd       // chunk data is not followed by CRLF: the size was wrong
	TrailerTooLarge   // the trailer section is longer than Limits.Trailer

	// After the message.
	ExtraBytes // bytes arrived behind a complete response before a request was sent

	// Misuse by the caller.
	BodyUnread // a head was asked for while the previous body is unread

	kindEnd
)

// kinds gives each kind its stable name and a phrase.
var kinds = [kindEnd]struct{ name, text string }{
	KindNone:               {"none", "no fault"},
	EmptyReply:             {"empty_reply", "the connection ended before any byte of a response"},
	NoRequest:              {"no_request", "the connection ended before any byte of a request"},
	HeadTruncated:          {"head_truncated", "the connection ended inside the head"},
	BodyTruncated:          {"body_truncated", "the body is shorter than Content-Length"},
	ChunkedTruncated:       {"chunked_truncated", "the chunked body ended before its last chunk"},
	NotHTTP:                {"not_http", "these bytes are not HTTP/1"},
	BadRequestLine:         {"bad_request_line", "malformed request line"},
	BadStatusLine:          {"bad_status_line", "malformed status line"},
	BadStatusCode:          {"bad_status_code", "status code below 100"},
	BadVersion:             {"bad_version", "HTTP version other than 1.x"},
	BadMethod:              {"bad_method", "malformed method"},
	BadTarget:              {"bad_target", "malformed request target"},
	TargetTooLong:          {"target_too_long", "request target too long"},
	BareLF:                 {"bare_lf", "line ended by LF without CR"},
	BareCR:                 {"bare_cr", "CR without LF"},
	ObsFold:                {"obs_fold", "field value folded over several lines"},
	MissingColon:           {"missing_colon", "field line without a colon"},
	SpaceAroundName:        {"space_around_name", "white space around a field name"},
	BadFieldName:           {"bad_field_name", "malformed field name"},
	BadFieldValue:          {"bad_field_value", "control byte in a field value"},
	HeadTooLarge:           {"head_too_large", "head too large"},
	TooManyFields:          {"too_many_fields", "too many field lines"},
	MissingHost:            {"missing_host", "no Host field"},
	MultipleHost:           {"multiple_host", "more than one Host field"},
	BadHost:                {"bad_host", "malformed Host"},
	HostMismatch:           {"host_mismatch", "Host differs from the request target's"},
	BadConnection:          {"bad_connection", "Connection nominates too many fields"},
	BadContentLength:       {"bad_content_length", "malformed Content-Length"},
	DuplicateContentLength: {"duplicate_content_length", "more than one Content-Length"},
	CLandTE:                {"content_length_and_transfer_encoding", "Content-Length and Transfer-Encoding together"},
	BadTransferEncoding:    {"bad_transfer_encoding", "Transfer-Encoding is not exactly \"chunked\" in HTTP/1.1"},
	BadChunkSize:           {"bad_chunk_size", "malformed chunk size"},
	BadChunkExtension:      {"bad_chunk_extension", "malformed chunk extension"},
	ChunkLineTooLong:       {"chunk_line_too_long", "chunk-size line too long"},
	ChunkTooLong:           {"chunk_too_long", "chunk too long"},
	BadChunkEnd:            {"bad_chunk_end", "chunk data not followed by CRLF"},
	TrailerTooLarge:        {"trailer_too_large", "trailer section too large"},
	ExtraBytes:             {"extra_bytes", "bytes behind a complete response"},
	BodyUnread:             {"body_unread", "the previous body is unread"},
}

// String is the kind's stable name.
func (k Kind) String() string {
	if k < kindEnd {
		return kinds[k].name
	}
	return "unknown"
}
