package http1

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

// Sniff says what the first bytes that a peer sent resemble.
func Sniff(b []byte) Protocol { panic("unwritten") }
