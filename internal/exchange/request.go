package exchange

import (
	"io"

	"github.com/originward/originward/internal/http1"
)

// Request is one request as it is sent.
type Request struct {
	// Method is the request's method; it decides how the response is framed.
	Method string
	// Head is the whole HTTP/1.1 head, request line to empty line. It may be followed by
	// the first bytes of the body. Over HTTP/2 it is translated.
	Head []byte
	// Body writes what follows Head, framed as Head says; nil = nothing follows. An error
	// that is not w's own is the visitor's: it ends the exchange as a fault of the
	// request phase. Over HTTP/1.1 the caller's goroutine runs it. Over HTTP/2 another one
	// does, which has ended when RoundTrip returns a fault and when Release returns.
	Body func(w io.Writer) error
	// Expect tells that Head asks for a 100 (Continue): the body is sent once that has
	// come, or after a second without an answer, and not at all after a final answer.
	Expect bool
	// Replayable tells that the request may be sent again on another connection when
	// nothing of a response arrived; see [Replayable].
	Replayable bool
	// Interim is called for every 1xx response except 101; nil drops them. The head holds
	// until it returns, and is of HTTP/1.1 form over HTTP/2 as well, where it is not called
	// while Body runs. Its error ends the exchange as a fault of the request phase.
	Interim func(*http1.ResponseHead) error
}

// Replayable tells whether a request may be sent twice: an idempotent method
// (RFC 9110 section 9.2.2) without a body that was streamed.
func Replayable(method string, hasBody bool) bool {
	if hasBody {
		return false
	}
	switch method {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return true
	}
	return false
}
