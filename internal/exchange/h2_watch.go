package exchange

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"

	"golang.org/x/net/http2"
)

// H2Error is an HTTP/2 failure that the origin caused: it ended the connection or
// the stream by a frame, or sent what is no HTTP/2.
type H2Error struct {
	// Frame is "goaway", "rst_stream", "garbage" (bytes that are no HTTP/2) or
	// "protocol" (frames that break its rules).
	Frame string
	// Code is the error code of goaway and rst_stream.
	Code http2.ErrCode
	// Sample is the beginning of what came instead of HTTP/2; hostile.
	Sample []byte
	Err    error
}

func (e *H2Error) Error() string {
	switch e.Frame {
	case "goaway", "rst_stream":
		return fmt.Sprintf("origin sent HTTP/2 %s, %s", strings.ToUpper(e.Frame), e.Code)
	case "garbage":
		return "origin negotiated HTTP/2 and speaks something else"
	}
	return "origin breaks HTTP/2: " + e.Err.Error()
}

// Unwrap gives the error of package http2.
func (e *H2Error) Unwrap() error { return e.Err }

// Kind is the failure as a word for evidence: "h2_goaway_enhance_your_calm",
// "h2_rst_stream_refused_stream", "h2_garbage", "h2_protocol".
func (e *H2Error) Kind() string {
	switch e.Frame {
	case "goaway", "rst_stream":
		return "h2_" + e.Frame + "_" + strings.ReplaceAll(strings.ToLower(e.Code.String()), " ", "_")
	}
	return "h2_" + e.Frame
}

// watch2 looks at the frames that an origin sends, beside package http2, whose
// errors do not always tell which frame they come from.
type watch2 struct {
	net.Conn

	mu sync.Mutex
	// mu guards the following.
	first    []byte
	total    int64
	header   [17]byte // frame header, and what a GOAWAY says first
	have     int
	skip     int64 // payload bytes to pass over
	settings bool  // the first frame was SETTINGS, as it must be
	frames   int
	goAway   bool
	code     http2.ErrCode
}

func (w *watch2) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.mu.Lock()
	w.total += int64(n)
	if len(w.first) < maxSample {
		w.first = append(w.first, p[:min(n, maxSample-len(w.first))]...)
	}
	w.walk(p[:n])
	garbage := w.frames > 0 && !w.settings
	w.mu.Unlock()
	if garbage {
		return 0, errNotHTTP2 // package http2 would say so on the program's standard error
	}
	return n, err
}

var errNotHTTP2 = errors.New("the first frame is not SETTINGS")

const (
	frameHeader = 9
	goAwayHead  = frameHeader + 8 // last stream id and error code
)

// walk follows the frames through p.
func (w *watch2) walk(p []byte) {
	for len(p) > 0 {
		if w.skip > 0 {
			n := min(w.skip, int64(len(p)))
			w.skip -= n
			p = p[n:]
			continue
		}
		want := frameHeader
		if w.have >= frameHeader {
			want = goAwayHead
		}
		n := copy(w.header[w.have:want], p)
		w.have += n
		p = p[n:]
		if w.have == want {
			w.frame()
		}
	}
}

// frame handles a frame header, or the beginning of a GOAWAY, that is complete.
func (w *watch2) frame() {
	length := int64(w.header[0])<<16 | int64(w.header[1])<<8 | int64(w.header[2])
	kind := http2.FrameType(w.header[3])
	if w.have == frameHeader {
		if w.frames == 0 {
			w.settings = kind == http2.FrameSettings
		}
		w.frames++
		if kind == http2.FrameGoAway && length >= 8 {
			return // read on into it
		}
		w.have, w.skip = 0, length
		return
	}
	w.goAway, w.code = true, http2.ErrCode(binary.BigEndian.Uint32(w.header[13:]))
	w.have, w.skip = 0, length-8
}

// seen2 is what a watch2 has seen so far.
type seen2 struct {
	total    int64
	first    []byte
	settings bool
	goAway   bool
	code     http2.ErrCode
}

func (w *watch2) seen() seen2 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return seen2{total: w.total, first: w.first, settings: w.settings, goAway: w.goAway, code: w.code}
}
