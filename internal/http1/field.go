package http1

import "strings"

// Field is one field line. Name and Value point into the reader's buffer; Value
// has no white space around it. Name keeps the case in which it was sent.
type Field struct {
	Name, Value []byte
	// ID is the field's number when its name is a known one, else FieldOther.
	ID FieldID
	// Hop tells that the field concerns only this connection and is not to be
	// forwarded: the fields RFC 9110 section 7.6.1 lists (Transfer-Encoding and
	// Upgrade too), every field that Connection nominates, and a Content-Length that must
	// not go on: repeated, or in a 1xx or 204 (RFC 9110 section 8.6).
	Hop bool
	// Odd tells that the name holds a byte other than a letter, a digit or a hyphen
	// (an underscore or dot, say): legal, but read differently by CGI-like servers.
	Odd bool
}

// FieldID numbers the field names that the package knows. Numbers are not stable
// across versions; never save them.
type FieldID uint8

// The known names. Those the codec itself acts upon come first.
const (
	FieldOther FieldID = iota // any name that is not in the list
	FieldHost
	FieldContentLength
	FieldTransferEncoding
	FieldConnection
	FieldUpgrade
	FieldExpect
	fieldActedUpon // fields before this one have a meaning to the codec

	// Fields of one connection only, RFC 9110 section 7.6.1.
	FieldKeepAlive
	FieldProxyConnection
	FieldTE
	FieldProxyAuthenticate
	FieldProxyAuthorization
	FieldHTTP2Settings

	FieldTrailer
	FieldDate
	FieldServer
	FieldContentType
	FieldContentEncoding
	FieldContentRange
	FieldContentLanguage
	FieldContentLocation
	FieldContentDisposition
	FieldAccept
	FieldAcceptEncoding
	FieldAcceptLanguage
	FieldAcceptRanges
	FieldUserAgent
	FieldReferer
	FieldOrigin
	FieldCookie
	FieldSetCookie
	FieldAuthorization
	FieldWWWAuthenticate
	FieldCacheControl
	FieldCDNCacheControl
	FieldPragma
	FieldAge
	FieldExpires
	FieldVary
	FieldETag
	FieldLastModified
	FieldIfMatch
	FieldIfNoneMatch
	FieldIfModifiedSince
	FieldIfUnmodifiedSince
	FieldIfRange
	FieldRange
	FieldLocation
	FieldLink
	FieldRetryAfter
	FieldAllow
	FieldMaxForwards
	FieldVia
	FieldForwarded
	FieldXForwardedFor
	FieldXForwardedProto
	FieldXForwardedHost
	FieldXForwardedPort
	FieldXRealIP
	FieldTrueClientIP
	FieldCDNLoop
	FieldProxyStatus
	FieldCFConnectingIP
	FieldCFConnectingIPv6
	FieldCFPseudoIPv4
	FieldCFRay
	FieldCFIPCountry
	FieldCFVisitor
	FieldCFWorker
	FieldCFEWVia
	FieldCFCacheStatus
	FieldXAccelBuffering
	FieldXAccelCharset
	FieldXAccelLimitRate
	FieldXAccelRedirect
	FieldXAccelExpires
	FieldTraceparent
	FieldTracestate
	FieldSecWebSocketKey
	FieldSecWebSocketVersion
	FieldSecWebSocketProtocol
	FieldSecWebSocketExtensions
	FieldSecWebSocketAccept
	FieldStrictTransportSecurity
	FieldAltSvc
	FieldPriority
	FieldEarlyData

	fieldEnd
)

// fieldNames gives each known field its registered spelling.
var fieldNames = [fieldEnd]string{
	FieldHost: "Host", FieldContentLength: "Content-Length", FieldTransferEncoding: "Transfer-Encoding",
	FieldConnection: "Connection", FieldUpgrade: "Upgrade", FieldExpect: "Expect",
	FieldKeepAlive: "Keep-Alive", FieldProxyConnection: "Proxy-Connection", FieldTE: "TE",
	FieldProxyAuthenticate: "Proxy-Authenticate", FieldProxyAuthorization: "Proxy-Authorization",
	FieldHTTP2Settings: "HTTP2-Settings",
	FieldTrailer:       "Trailer", FieldDate: "Date", FieldServer: "Server",
	FieldContentType: "Content-Type", FieldContentEncoding: "Content-Encoding",
	FieldContentRange: "Content-Range", FieldContentLanguage: "Content-Language",
	FieldContentLocation: "Content-Location", FieldContentDisposition: "Content-Disposition",
	FieldAccept: "Accept", FieldAcceptEncoding: "Accept-Encoding", FieldAcceptLanguage: "Accept-Language",
	FieldAcceptRanges: "Accept-Ranges", FieldUserAgent: "User-Agent", FieldReferer: "Referer",
	FieldOrigin: "Origin", FieldCookie: "Cookie", FieldSetCookie: "Set-Cookie",
	FieldAuthorization: "Authorization", FieldWWWAuthenticate: "WWW-Authenticate",
	FieldCacheControl: "Cache-Control", FieldCDNCacheControl: "CDN-Cache-Control", FieldPragma: "Pragma",
	FieldAge: "Age", FieldExpires: "Expires", FieldVary: "Vary", FieldETag: "ETag",
	FieldLastModified: "Last-Modified", FieldIfMatch: "If-Match", FieldIfNoneMatch: "If-None-Match",
	FieldIfModifiedSince: "If-Modified-Since", FieldIfUnmodifiedSince: "If-Unmodified-Since",
	FieldIfRange: "If-Range", FieldRange: "Range", FieldLocation: "Location", FieldLink: "Link",
	FieldRetryAfter: "Retry-After", FieldAllow: "Allow", FieldMaxForwards: "Max-Forwards",
	FieldVia: "Via", FieldForwarded: "Forwarded", FieldXForwardedFor: "X-Forwarded-For",
	FieldXForwardedProto: "X-Forwarded-Proto", FieldXForwardedHost: "X-Forwarded-Host",
	FieldXForwardedPort: "X-Forwarded-Port", FieldXRealIP: "X-Real-IP", FieldTrueClientIP: "True-Client-IP",
	FieldCDNLoop: "CDN-Loop", FieldProxyStatus: "Proxy-Status",
	FieldCFConnectingIP: "CF-Connecting-IP", FieldCFConnectingIPv6: "CF-Connecting-IPv6",
	FieldCFPseudoIPv4: "CF-Pseudo-IPv4", FieldCFRay: "CF-Ray", FieldCFIPCountry: "CF-IPCountry",
	FieldCFVisitor: "CF-Visitor", FieldCFWorker: "CF-Worker", FieldCFEWVia: "CF-EW-Via",
	FieldCFCacheStatus: "CF-Cache-Status", FieldXAccelBuffering: "X-Accel-Buffering",
	FieldXAccelCharset: "X-Accel-Charset", FieldXAccelLimitRate: "X-Accel-Limit-Rate",
	FieldXAccelRedirect: "X-Accel-Redirect", FieldXAccelExpires: "X-Accel-Expires",
	FieldTraceparent: "Traceparent", FieldTracestate: "Tracestate",
	FieldSecWebSocketKey: "Sec-WebSocket-Key", FieldSecWebSocketVersion: "Sec-WebSocket-Version",
	FieldSecWebSocketProtocol: "Sec-WebSocket-Protocol", FieldSecWebSocketExtensions: "Sec-WebSocket-Extensions",
	FieldSecWebSocketAccept: "Sec-WebSocket-Accept", FieldStrictTransportSecurity: "Strict-Transport-Security",
	FieldAltSvc: "Alt-Svc", FieldPriority: "Priority", FieldEarlyData: "Early-Data",
}

// String is the registered spelling of the name, empty for FieldOther.
func (id FieldID) String() string {
	if id < fieldEnd {
		return fieldNames[id]
	}
	return ""
}

// hop tells whether the field always concerns one connection only.
func (id FieldID) hop() bool {
	switch id {
	case FieldConnection, FieldUpgrade, FieldTransferEncoding, FieldKeepAlive, FieldProxyConnection,
		FieldTE, FieldProxyAuthenticate, FieldProxyAuthorization, FieldHTTP2Settings:
		return true
	}
	return false
}

// InTrailer tells whether a field may stand in a trailer section.
func InTrailer(id FieldID) bool { return id.inTrailer() }

// inTrailer tells whether the field may stand in a trailer section: not if it frames,
// routes, authenticates or conditions the message (RFC 9110 section 6.5.1).
func (id FieldID) inTrailer() bool {
	switch id {
	case FieldHost, FieldContentLength, FieldExpect, FieldTrailer, FieldContentType, FieldContentEncoding,
		FieldContentRange, FieldAuthorization, FieldWWWAuthenticate, FieldCookie, FieldSetCookie,
		FieldCacheControl, FieldMaxForwards, FieldRange, FieldIfMatch, FieldIfNoneMatch,
		FieldIfModifiedSince, FieldIfUnmodifiedSince, FieldIfRange, FieldLocation, FieldVary, FieldAge,
		FieldExpires, FieldDate, FieldRetryAfter:
		return false
	}
	return !id.hop()
}

// fieldIndex finds a known name: a hash gives the first candidate, next chains the
// rest. Candidates are compared in full, so the hash decides speed only.
var fieldIndex = buildFieldIndex()

type fieldTable struct {
	first [256]FieldID
	next  [fieldEnd]FieldID
	small [fieldEnd]string // the names in lower case
}

func buildFieldIndex() (t fieldTable) {
	for id := FieldOther + 1; id < fieldEnd; id++ {
		if fieldNames[id] == "" {
			continue
		}
		h := fieldHash([]byte(fieldNames[id]))
		t.next[id] = t.first[h]
		t.first[h] = id
		t.small[id] = strings.ToLower(fieldNames[id])
	}
	return t
}

func fieldHash(name []byte) uint8 {
	n := len(name)
	return uint8(n)*31 + lower[name[0]]*7 + lower[name[n-1]]*13 + lower[name[n/2]]
}

// LookupField returns the number of a field name in any case, FieldOther when it is unknown.
func LookupField(name []byte) FieldID {
	if len(name) == 0 {
		return FieldOther
	}
next:
	for id := fieldIndex.first[fieldHash(name)]; id != FieldOther; id = fieldIndex.next[id] {
		small := fieldIndex.small[id]
		if len(small) != len(name) {
			continue
		}
		for i, c := range name {
			if lower[c] != small[i] {
				continue next
			}
		}
		return id
	}
	return FieldOther
}
