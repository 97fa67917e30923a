package http1

import "sync"

// buffer is a pooled piece of memory with the field list of the head that lies in it.
type buffer struct {
	b      []byte
	fields []Field
}

// Sizes of pooled buffers. A message's head starts in smallBuffer, which holds
// nearly all of them with the first bytes of the body; streamed bodies use
// streamBuffer, two TLS records; the last holds a head of the default limit.
const (
	smallBuffer  = 4 << 10
	streamBuffer = 32 << 10
	headBuffer   = defaultHead + smallBuffer
)

var bufferSizes = [...]int{smallBuffer, 16 << 10, streamBuffer, 64 << 10, headBuffer}

var bufferPools [len(bufferSizes)]sync.Pool

// getBuffer returns a buffer of at least n bytes.
func getBuffer(n int) *buffer {
	for i, size := range bufferSizes {
		if n > size {
			continue
		}
		if b, ok := bufferPools[i].Get().(*buffer); ok {
			return b
		}
		return &buffer{b: make([]byte, size)}
	}
	return &buffer{b: make([]byte, n)}
}

// putBuffer gives b back. Nothing may point into it any more.
func putBuffer(b *buffer) {
	if b == nil {
		return
	}
	clear(b.fields)
	b.fields = b.fields[:0]
	// A head of thousands of fields is rare; its list is not kept for ordinary ones.
	if cap(b.fields) > 256 {
		b.fields = nil
	}
	for i, size := range bufferSizes {
		if len(b.b) == size {
			bufferPools[i].Put(b)
			return
		}
	}
}
