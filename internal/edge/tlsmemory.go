package edge

import (
	"bytes"
	"crypto/tls"
	"reflect"
	"unsafe"
)

// tlsBuffers are the places in a tls.Conn of the buffers that keep the size of what
// once lay in them: a ClientHello of nearly 2 KiB, each twice, for as long as the
// connection idles. A standard library that has them no more needs nothing done; a
// test tells.
var tlsBuffers = findTLSBuffers()

func findTLSBuffers() (at []uintptr) {
	t := reflect.TypeFor[tls.Conn]()
	for _, name := range []string{"rawInput", "hand"} {
		if f, ok := t.FieldByName(name); ok && f.Type == reflect.TypeFor[bytes.Buffer]() {
			at = append(at, f.Offset)
		}
	}
	return at
}

// dropBuffers gives the memory of a connection's empty buffers back. Nobody else may
// use the connection meanwhile.
func dropBuffers(c *tls.Conn) {
	for _, at := range tlsBuffers {
		if b := (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(c), at)); b.Len() == 0 {
			*b = bytes.Buffer{}
		}
	}
}
