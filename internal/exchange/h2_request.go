package exchange

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/originward/originward/internal/http1"
)

// request2 translates a request for package http2. The body, when there is one, is
// read through the HTTP/1.1 codec, which removes its framing.
func request2(req *Request, body io.Reader) (*http.Request, error) {
	src := io.Reader(bytes.NewReader(req.Head))
	if body != nil {
		src = io.MultiReader(src, body)
	}
	r := http1.NewReader(src)
	head, err := r.ReadRequestHead(http1.Limits{Head: len(req.Head) + 1, Target: len(req.Head), Fields: len(req.Head)})
	if err != nil {
		return nil, fmt.Errorf("request head made by us: %w", err)
	}
	host := string(head.Host)
	hr := &http.Request{
		Method: req.Method,
		// Opaque keeps the path as it is, percent-encodings and double slashes too.
		URL:    &url.URL{Scheme: "https", Host: host, Opaque: "//" + host + string(head.Target)},
		Host:   host,
		Header: make(http.Header, len(head.Fields)),
		Proto:  "HTTP/2.0", ProtoMajor: 2,
	}
	hr.Header["User-Agent"] = []string{""} // none but the visitor's
	for i := range head.Fields {
		f := &head.Fields[i]
		if f.Hop || f.ID == http1.FieldHost || f.ID == http1.FieldContentLength {
			continue
		}
		name := http.CanonicalHeaderKey(string(f.Name))
		if name == "User-Agent" {
			hr.Header[name] = []string{string(f.Value)}
			continue
		}
		hr.Header[name] = append(hr.Header[name], string(f.Value))
	}
	switch head.Framing.Kind {
	case http1.LengthBody:
		if hr.ContentLength = head.Framing.Length; hr.ContentLength > 0 {
			hr.Body = io.NopCloser(r.Body())
		} else {
			hr.Body = http.NoBody
		}
	case http1.ChunkedBody:
		hr.ContentLength = -1
		hr.Body = trailing(r.Body(), head, hr)
	}
	return hr, nil
}

// trailing is a body whose trailer fields are sent behind it. HTTP/2's library wants
// their names beforehand; so those that Trailer announces are passed on, and others
// dropped, which RFC 9110 section 6.5.1 allows.
func trailing(b *http1.Body, head *http1.RequestHead, hr *http.Request) io.ReadCloser {
	for _, f := range head.Fields {
		if f.ID != http1.FieldTrailer {
			continue
		}
		for name := range strings.SplitSeq(string(f.Value), ",") {
			name = strings.TrimSpace(name)
			if http1.ValidFieldName(name) && http1.InTrailer(http1.LookupField([]byte(name))) {
				if hr.Trailer == nil {
					hr.Trailer = make(http.Header)
				}
				hr.Trailer[http.CanonicalHeaderKey(name)] = nil
			}
		}
	}
	delete(hr.Header, "Trailer") // the library says it itself
	return &trailed{b, hr.Trailer}
}

type trailed struct {
	*http1.Body
	trailer http.Header // announced names; filled at the body's end
}

// Read reads content.
func (t *trailed) Read(p []byte) (int, error) {
	n, err := t.Body.Read(p)
	if err == io.EOF {
		for _, f := range t.Trailers() {
			name := http.CanonicalHeaderKey(string(f.Name))
			if _, ok := t.trailer[name]; ok {
				t.trailer[name] = append(t.trailer[name], string(f.Value))
			}
		}
	}
	return n, err
}

// Close does nothing: the visitor's connection is not the library's to close.
func (*trailed) Close() error { return nil }

var errHeadSize = errors.New("response header fields are larger than the limit")

// head2 writes a response's head as HTTP/1.1 text, so that the codec reads it like
// any other. Connection-specific fields, which HTTP/2 forbids, are left out.
func head2(status int, h http.Header) []byte {
	b := http1.AppendStatusLine(nil, status, nil)
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		switch strings.ToLower(name) {
		case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
			continue
		}
		if !httpguts.ValidHeaderFieldName(name) {
			continue
		}
		for _, v := range h[name] {
			b = http1.AppendHeader(b, name, v)
		}
	}
	return http1.AppendEnd(b)
}

// size2 is the size of a header list as HTTP/2 counts it (RFC 9113 section 6.5.2).
func size2(h http.Header) int {
	n := 0
	for name, vs := range h {
		for _, v := range vs {
			n += len(name) + len(v) + 32
		}
	}
	return n
}
