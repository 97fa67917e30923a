package http1

import "io"

// Reader reads the messages of one connection. It holds a pooled buffer only while
// bytes are buffered or a head is in use. It is not safe for concurrent use.
type Reader struct {
	src io.Reader
}

// NewReader returns a reader over src. When src is a *net.TCPConn, waiting for a
// message holds no buffer, and bodies can be spliced.
func NewReader(src io.Reader) *Reader { return &Reader{src: src} }

// Reset makes r read from src, dropping all that was buffered.
func (r *Reader) Reset(src io.Reader) { panic("unwritten") }

// Release gives the buffers back when nothing unread is in them; the current head
// is invalid after it. Call it before a connection idles. Unread bytes are kept.
func (r *Reader) Release() { panic("unwritten") }

// WaitRequest blocks until the first byte of a request is buffered. Its error is a
// ParseError of kind NoRequest.
func (r *Reader) WaitRequest() error { panic("unwritten") }

// WaitResponse blocks until the first byte of a response is buffered. Its error is a
// ParseError of kind EmptyReply. Use it to time the first byte.
func (r *Reader) WaitResponse() error { panic("unwritten") }

// ReadRequestHead reads a request head and decides the framing of its body. The
// head is r's own and holds until the next call, Release or Reset. The error is a
// *ParseError; the connection cannot be used for further requests after one.
func (r *Reader) ReadRequestHead(limits Limits) (*RequestHead, error) { panic("unwritten") }

// ReadResponseHead reads a response head, interim ones included, and decides the
// framing of its body; reqMethod is the method of the request it answers, for HEAD
// and CONNECT. The head is r's own and holds until the next call, Release or Reset.
// The error is a *ParseError.
func (r *Reader) ReadResponseHead(limits Limits, reqMethod string) (*ResponseHead, error) {
	panic("unwritten")
}

// Body is the body of the message whose head was read last. It holds until the next head is read.
func (r *Reader) Body() *Body { panic("unwritten") }

// Tunnel leaves HTTP: what is buffered and everything that follows, until the peer
// closes, is the returned body's content. Call it after a 101 or a 2xx to CONNECT,
// on both readers. The head stays valid.
func (r *Reader) Tunnel() *Body { panic("unwritten") }

// Buffered returns the number of bytes received and not yet consumed.
func (r *Reader) Buffered() int { panic("unwritten") }

// Received returns the number of bytes taken from the connection since NewReader or Reset.
func (r *Reader) Received() int64 { panic("unwritten") }

// CheckIdle tells, after a complete response and before the next request, whether
// the connection is clean: nil, or a ParseError of kind ExtraBytes when bytes are
// buffered that belong to no response, or of kind BodyUnread.
func (r *Reader) CheckIdle() error { panic("unwritten") }
