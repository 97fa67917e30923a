package http1

import "bytes"

// Protocol is what the first bytes of a connection resemble.
type Protocol uint8

// The protocols told apart. The zero value is none of them.
const (
	LooksUnknown Protocol = iota
	LooksTLS              // a TLS record: TLS was spoken on a port read as plain HTTP
	LooksHTTP2            // an HTTP/2 preface or frame
	LooksHTML             // a document without a head, as HTTP/0.9 answers
	LooksProxyV1          // a PROXY protocol header, text
	LooksProxyV2          // a PROXY protocol header, binary
	LooksSSH              // an SSH identification line
	LooksGreeter          // a server that speaks first with a three-digit line: SMTP, FTP …
	LooksICY              // a SHOUTcast "ICY" status line
	LooksRequest          // a request where a response should be
	LooksReply            // a response where a request should be
	LooksBlank            // empty lines before a status line

	protocolEnd
)

// protocolNames are stable: they appear in saved evidence.
var protocolNames = [protocolEnd]string{
	LooksUnknown: "unknown", LooksTLS: "tls", LooksHTTP2: "http2", LooksHTML: "html",
	LooksProxyV1: "proxy_v1", LooksProxyV2: "proxy_v2", LooksSSH: "ssh", LooksGreeter: "greeter",
	LooksICY: "icy", LooksRequest: "http_request", LooksReply: "http_response", LooksBlank: "blank_lines",
}

// String is the protocol's stable name.
func (p Protocol) String() string {
	if p < protocolEnd {
		return protocolNames[p]
	}
	return "unknown"
}

// proxyV2 is the signature of the PROXY protocol's binary header (haproxy, proxy-protocol.txt section 2.2).
const proxyV2 = "\r\n\r\n\x00\r\nQUIT\n"

// Sniff says what the first bytes that a peer sent resemble.
func Sniff(b []byte) Protocol {
	switch {
	case len(b) == 0:
		return LooksUnknown
	case len(b) >= 12 && string(b[:12]) == proxyV2:
		return LooksProxyV2
	// A TLS record: type 20..24, version 3.x (RFC 8446 section 5.1); of a lone first
	// byte only a handshake is believed.
	case len(b) == 1 && b[0] == 22, len(b) >= 2 && b[0] >= 20 && b[0] <= 24 && b[1] == 3:
		return LooksTLS
	case looksHTTP2(b):
		return LooksHTTP2
	case bytes.HasPrefix(b, []byte("HTTP/")):
		return LooksReply
	case bytes.HasPrefix(b, []byte("PROXY ")):
		return LooksProxyV1
	case bytes.HasPrefix(b, []byte("SSH-")):
		return LooksSSH
	case bytes.HasPrefix(b, []byte("ICY ")):
		return LooksICY
	case b[0] == '<':
		return LooksHTML
	case len(b) >= 4 && indexNot(b[:3], isDigit) < 0 && b[0] >= '1' && b[0] <= '5' && (b[3] == ' ' || b[3] == '-'):
		return LooksGreeter
	case looksRequest(b):
		return LooksRequest
	case b[0] == '\r' || b[0] == '\n':
		return LooksBlank
	}
	return LooksUnknown
}

// looksHTTP2 knows the client preface, and a frame header of the kinds a server opens
// or refuses with: SETTINGS, PING, GOAWAY or WINDOW_UPDATE on stream 0 (RFC 9113 sections 3.4, 4.1).
func looksHTTP2(b []byte) bool {
	if bytes.HasPrefix(b, []byte("PRI * HTTP/2.0")) {
		return true
	}
	if len(b) < 9 || b[0] != 0 || b[1] != 0 || b[5]|b[6]|b[7]|b[8] != 0 {
		return false
	}
	size := b[2]
	switch b[3] {
	case 4: // SETTINGS
		return size%6 == 0
	case 6, 7: // PING, GOAWAY
		return size >= 8
	case 8: // WINDOW_UPDATE
		return size == 4
	}
	return false
}

// looksRequest knows "METHOD SP target … HTTP/".
func looksRequest(b []byte) bool {
	line, _, _ := bytes.Cut(b, []byte("\n"))
	method, rest, ok := bytes.Cut(line, []byte(" "))
	return ok && len(method) > 0 && len(method) <= maxMethod && indexNot(method, isToken) < 0 &&
		bytes.Contains(rest, []byte(" HTTP/1."))
}
