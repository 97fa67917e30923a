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
