// Package http1 is a strict HTTP/1.1 codec (RFC 9112, RFC 9110) for both sides of
// a proxy: it reads requests from visitors and writes responses to them, and it
// writes requests to origins and reads their responses. Probes use the same code.
//
// It works over readers and writers that are handed to it and never dials.
// Deadlines are the caller's (SetReadDeadline, SetWriteDeadline on the connection).
//
// # Reading
//
// A [Reader] wraps one connection. [Reader.ReadRequestHead] and
// [Reader.ReadResponseHead] return a head whose fields are slices into the
// reader's pooled buffer: they hold until the next head is read or the reader is
// released, and must be copied to be kept longer. The body's framing is decided
// once, with the head ([Framing]), and [Reader.Body] reads it:
//
//	r := http1.NewReader(conn)
//	if err := r.WaitRequest(); err != nil { … }          // idle deadline applies
//	req, err := r.ReadRequestHead(http1.DefaultLimits()) // header deadline applies
//	n, err := r.Body().WriteTo(origin)                   // body, spliced where possible
//
// Interim (1xx) responses are returned like any other head, with an empty body;
// the caller decides to forward or to skip them and calls ReadResponseHead again.
// After a 101 or a 2xx to CONNECT, [Reader.Tunnel] turns the rest of the
// connection, buffered bytes first, into one stream.
//
// # Errors
//
// Everything that can be wrong with what a peer sends is a [*ParseError]: a
// [Kind] from a closed list, the side and part of the message, the byte at which
// it happened, and a bounded sample of the bytes. When the connection failed
// (rather than its content) the ParseError says how far the message had come and
// wraps the error of the connection, so errors.Is finds syscall.ECONNRESET,
// io.EOF or os.ErrDeadlineExceeded. Failures of a destination are a [*WriteError].
//
// # Strictness
//
// Requests are read strictly: whatever two implementations could frame or route
// differently is refused. The one leniency, an empty line before a request line,
// is asked for by RFC 9112 section 2.2. Responses are read strictly too, except
// for deviations that real origins show, that nginx and Go both accept and that
// cannot be read in two ways; each is a [Quirk] with its reason, and is recorded
// in the head.
//
// # Writing
//
// Heads are written by appending to a byte slice ([AppendRequestLine],
// [AppendStatusLine], [AppendFields], [AppendHeader], [AppendEnd]); bodies through
// [ChunkWriter] and [LengthWriter].
package http1
