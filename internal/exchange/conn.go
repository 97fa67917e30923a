package exchange

import (
	"context"
	"io"
	"net"
	"net/netip"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/http1"
)

// Conn is a connection to an origin (over HTTP/2: one stream's place on it). It
// serves one exchange at a time and is not safe for concurrent use, but for Close.
type Conn struct {
	target Target
}

// Target is what was dialled.
func (c *Conn) Target() Target { return c.target }

// Local is our own address and port.
func (c *Conn) Local() netip.AddrPort { panic("unwritten") }

// Proto is the protocol that was negotiated.
func (c *Conn) Proto() Proto { panic("unwritten") }

// TLS is what the handshake showed; nil over plain HTTP. The strict verdict is in
// it whether or not it was enforced. It is shared: do not change it.
func (c *Conn) TLS() *fact.TLS { panic("unwritten") }

// Served is how many exchanges the connection had carried before the current one.
func (c *Conn) Served() int { panic("unwritten") }

// RoundTrip sends the request and reads the final response head, which holds until
// the connection is released. The fault's phase is write, first_byte or headers
// (request: the visitor's body failed). After a fault the connection is closed; a
// refusal that the origin sent before it had read the whole request is a response,
// not a fault. tr may be nil.
func (c *Conn) RoundTrip(ctx context.Context, req *Request, tr *Trace) (*http1.ResponseHead, *originward.Fault) {
	panic("unwritten")
}

// Body is the body of the response whose head was returned last.
func (c *Conn) Body() *Body { panic("unwritten") }

// Tunnel leaves HTTP after a 101 (or a 2xx to CONNECT): in yields what the origin
// sends, buffered bytes first; conn is for writing and deadlines. The caller owns
// both and closes the Conn. It is nil over HTTP/2.
func (c *Conn) Tunnel() (in *http1.Body, conn net.Conn) { panic("unwritten") }

// BytesRead is the number of response bytes that arrived in the current exchange.
func (c *Conn) BytesRead() int64 { panic("unwritten") }

// Release gives the connection back to its pool when it can carry another
// exchange, and closes it otherwise. The head and body are invalid after it.
func (c *Conn) Release() { panic("unwritten") }

// Close closes the connection (over HTTP/2: resets the stream). It may be called
// from another goroutine and more than once.
func (c *Conn) Close() error { panic("unwritten") }

// Body is a response's body with the read timer. Its errors but io.EOF are
// [*originward.Fault] of the body phase, or [*http1.WriteError] when the
// destination of WriteTo failed.
type Body struct{}

// Framing is how the body is delimited. Over HTTP/2 it is LengthBody when a length
// was declared, else ChunkedBody (to be framed anew), or NoBody.
func (b *Body) Framing() http1.Framing { panic("unwritten") }

// Next returns the next piece of content without copying; io.EOF, with no bytes,
// is the proper end. The piece holds until the next call.
func (b *Body) Next() ([]byte, error) { panic("unwritten") }

// Buffered returns content bytes that have already arrived, without I/O.
func (b *Body) Buffered() []byte { panic("unwritten") }

// Discard consumes the first n bytes of Buffered.
func (b *Body) Discard(n int) { panic("unwritten") }

// Read reads content.
func (b *Body) Read(p []byte) (int, error) { panic("unwritten") }

// WriteTo writes the remaining content to w, spliced in the kernel where that is
// possible, and returns how many bytes w took.
func (b *Body) WriteTo(w io.Writer) (int64, error) { panic("unwritten") }

// Consumed is the number of content bytes read so far.
func (b *Body) Consumed() int64 { panic("unwritten") }

// Trailers are the trailer fields once the body has ended.
func (b *Body) Trailers() []http1.Field { panic("unwritten") }
