package http1

import "iter"

// Head is what request and response heads have in common. All slices point into
// the reader's buffer and hold until the next head is read, Release or Reset.
type Head struct {
	// Raw is the whole head as it came, with the final empty line.
	Raw []byte
	// Fields are the field lines in order.
	Fields []Field
	// Minor is the x of HTTP/1.x as sent.
	Minor uint8
	// ContentLength is the declared length, -1 when none is declared. It can differ from
	// Framing.Length: a response to HEAD declares a length and has no body.
	ContentLength int64
	// Chunked tells that Transfer-Encoding is chunked.
	Chunked bool
	// Framing is how the body is delimited.
	Framing Framing
	// Close and KeepAliveToken tell that Connection holds "close" and "keep-alive".
	Close, KeepAliveToken bool
	// Upgrade is the value of Upgrade when Connection holds "upgrade" too, else nil.
	Upgrade []byte
	// KeepAlive tells that, by this head, the connection can carry another message
	// after this one: version, Connection and framing all allow it.
	KeepAlive bool
	// Quirks are the deviations that were tolerated.
	Quirks Quirk
}

// RequestHead is a request's head.
type RequestHead struct {
	Head
	Method []byte
	// Target is the request target. An absolute-form target is rewritten to
	// origin-form here ("http://a/b?c" becomes "/b?c"); Absolute then tells so.
	Target []byte
	// Path and Query are Target's two halves; Query is without its "?" and nil when
	// there is none. Both are as sent (percent-encoded). For CONNECT and "*" Path is
	// Target.
	Path, Query []byte
	// Host is the value of Host (or the authority of CONNECT) as sent, valid
	// host[:port]; nil in an HTTP/1.0 request that names none. An HTTP/1.0 request with
	// an absolute-form target names one here and has no such field.
	Host []byte
	// Hostname is Host without its port and without IPv6 brackets; Port is the port's
	// digits, nil when absent or empty.
	Hostname, Port []byte
	// Absolute tells that the target came in absolute-form, and Scheme is then its
	// scheme as sent, else nil.
	Absolute bool
	Scheme   []byte
	// ExpectContinue tells that the client waits for a 100 (Continue) before its body.
	// ExpectOther tells that Expect holds something else (RFC 9110: may be answered 417).
	ExpectContinue, ExpectOther bool

	hostSeen bool
}

// ResponseHead is a response's head.
type ResponseHead struct {
	Head
	Status int    // 100 to 999
	Reason []byte // may be empty
}

// Interim tells that the response is a 1xx other than 101: another head follows.
func (h *ResponseHead) Interim() bool { return h.Status >= 100 && h.Status < 200 && h.Status != 101 }

// Get returns the value of the first field of that name (any case), nil when there
// is none. A field with an empty value gives a non-nil empty slice.
func (h *Head) Get(name string) []byte {
	for i := range h.Fields {
		if equalFold(h.Fields[i].Name, name) {
			return h.Fields[i].Value
		}
	}
	return nil
}

// GetID is Get for a known field, and faster.
func (h *Head) GetID(id FieldID) []byte {
	for i := range h.Fields {
		if h.Fields[i].ID == id {
			return h.Fields[i].Value
		}
	}
	return nil
}

// Has tells whether a field of that name (any case) is present.
func (h *Head) Has(name string) bool { return h.Get(name) != nil }

// HasToken tells whether the comma-separated values of the named field hold token (any case).
func (h *Head) HasToken(name, token string) bool {
	for i := range h.Fields {
		if !equalFold(h.Fields[i].Name, name) {
			continue
		}
		list := h.Fields[i].Value
		for {
			t, rest, ok := nextToken(list)
			if !ok {
				break
			}
			if equalFold(t, token) {
				return true
			}
			list = rest
		}
	}
	return false
}

// Values yields the values of all fields of that name (any case) in order.
func (h *Head) Values(name string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for i := range h.Fields {
			if equalFold(h.Fields[i].Name, name) && !yield(h.Fields[i].Value) {
				return
			}
		}
	}
}

// MethodString returns Method as a string, without allocating for the registered methods.
func (h *RequestHead) MethodString() string {
	switch string(h.Method) {
	case "GET":
		return "GET"
	case "HEAD":
		return "HEAD"
	case "POST":
		return "POST"
	case "PUT":
		return "PUT"
	case "DELETE":
		return "DELETE"
	case "OPTIONS":
		return "OPTIONS"
	case "PATCH":
		return "PATCH"
	case "CONNECT":
		return "CONNECT"
	case "TRACE":
		return "TRACE"
	}
	return string(h.Method)
}
