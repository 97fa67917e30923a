package viaedge

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/cdn"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/exchange"
	"github.com/originward/originward/internal/http1"
)

// userAgent tells logs who asked.
const userAgent = "Mozilla/5.0 (compatible; Originward; +https://github.com/originward/originward)"

// hop is one request to an edge.
type hop struct {
	addr   netip.AddrPort
	scheme string
	host   string // Host field
	name   string // server name, without a port
	target string // request target
	cookie string
	header [][2]string
}

// seen is what one request showed.
type seen struct {
	response *cdn.Response // nil = no head came
	proto    string
	head     int   // bytes
	body     int64 // bytes read
	location string
	cookies  []string // name=value pairs that the response sets
	failure  *fact.Fault
	tls      *fact.TLS
	took     time.Duration // until the head, or the failure
}

// Bounds of what is read of an answer. 16 KiB hold the marks of every known
// error page.
const (
	maxBody    = 16 << 10
	maxCookies = 20
	maxCookie  = 4 << 10
)

// do sends the request over a connection of its own, as a new visitor would.
// The certificate is judged and never enforced.
func (h hop) do(ctx context.Context, p exchange.Profile, trust *exchange.Trust) seen {
	t := exchange.Target{Addr: h.addr, Host: h.name}
	if h.scheme == "https" {
		t.TLS, t.SNI = &exchange.TLSPolicy{Trust: trust}, h.name
	}
	var tr exchange.Trace
	tr.Reset()
	var s seen
	conn, fault := exchange.NewDialer(p).Dial(ctx, t, &tr)
	if conn != nil {
		defer conn.Close()
		s.tls = conn.TLS()
	}
	if fault == nil {
		var head *http1.ResponseHead
		head, fault = conn.RoundTrip(ctx, &exchange.Request{Method: "GET", Head: h.bytes()}, &tr)
		s.took = tr.Elapsed()
		if fault == nil {
			s.read(head, conn)
			return s
		}
	}
	s.took = tr.Elapsed()
	var read int64
	if conn != nil {
		read = conn.BytesRead()
	}
	s.failure = exchange.FactOf(fault, s.took, read)
	return s
}

// bytes is the request's head. Compression would hide the pages' marks; without
// the field at all Cloudflare leaves out custom pages (custom-errors).
func (h hop) bytes() []byte {
	b := http1.AppendRequestLine(nil, []byte("GET"), []byte(h.target))
	b = http1.AppendHeader(b, "Host", h.host)
	b = http1.AppendHeader(b, "User-Agent", userAgent)
	b = http1.AppendHeader(b, "Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
	b = http1.AppendHeader(b, "Accept-Encoding", "identity")
	if h.cookie != "" {
		b = http1.AppendHeader(b, "Cookie", h.cookie)
	}
	for _, f := range h.header {
		b = http1.AppendHeader(b, f[0], f[1])
	}
	return http1.AppendEnd(b)
}

func (s *seen) read(head *http1.ResponseHead, conn *exchange.Conn) {
	r := &cdn.Response{Status: head.Status, Header: map[string]string{}}
	for i := range head.Fields {
		f := &head.Fields[i]
		name, value := strings.ToLower(escape.Bytes(f.Name, 64)), f.Value
		switch name {
		case "set-cookie":
			pair, _, _ := bytes.Cut(value, []byte(";"))
			if len(s.cookies) < maxCookies && len(pair) < maxCookie {
				s.cookies = append(s.cookies, strings.TrimSpace(string(pair)))
			}
			value, _, _ = bytes.Cut(value, []byte("=")) // values are secrets
		case "location":
			s.location = string(value)
		}
		v := escape.Bytes(value, maxValue)
		if old, ok := r.Header[name]; ok {
			v = escape.Line(old+", "+v, maxValue)
		}
		if len(r.Header) < maxFields {
			r.Header[name] = v
		}
	}
	s.proto, s.head = protoName(conn.Proto(), head), len(head.Raw)
	body := conn.Body()
	for int64(len(r.Body)) < maxBody {
		piece, err := body.Next()
		r.Body = append(r.Body, piece[:min(len(piece), maxBody-len(r.Body))]...)
		if err != nil {
			break // the end, or a page that breaks off: what came is recognised, or not
		}
	}
	s.body = body.Consumed()
	s.response = r
}

// Bounds of a head in evidence.
const (
	maxValue  = 512
	maxFields = 64
	maxText   = 2 << 10
)

func protoName(p exchange.Proto, h *http1.ResponseHead) string {
	switch {
	case p == exchange.HTTP2:
		return "HTTP/2.0"
	case h.Minor == 0:
		return "HTTP/1.0"
	}
	return "HTTP/1.1"
}

// fact is the response as evidence.
func (s seen) fact() *fact.Response {
	if s.response == nil {
		return nil
	}
	r := &fact.Response{
		Status: s.response.Status, Proto: s.proto, Header: s.response.Header,
		HeadBytes: s.head, BodyBytes: s.body,
	}
	if media := s.response.Header["content-type"]; media == "" || strings.HasPrefix(media, "text/") || strings.Contains(media, "json") || strings.Contains(media, "xml") {
		r.Body = escape.Text(string(s.response.Body), maxText)
		r.Title = title(s.response.Body)
	}
	return r
}

func title(b []byte) string {
	low := bytes.ToLower(b)
	i := bytes.Index(low, []byte("<title>"))
	if i < 0 || len(low) != len(b) {
		return ""
	}
	rest := b[i+len("<title>"):]
	j := bytes.Index(low[i+len("<title>"):], []byte("</title"))
	if j < 0 {
		return ""
	}
	return escape.Line(strings.Join(strings.Fields(string(rest[:j])), " "), 200)
}

// hostPort is a Host field: the port stands in it unless it is the scheme's own.
func hostPort(host, scheme string, port uint16) string {
	if port == ownPort(scheme) {
		if strings.Contains(host, ":") {
			return "[" + host + "]"
		}
		return host
	}
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}
