package sock

import "sync"

// Pool lends buffers of one size, so that a connection holds one only while bytes lie in it.
type Pool struct{ p sync.Pool }

// NewPool returns a pool of buffers of the given size.
func NewPool(size int) *Pool {
	return &Pool{sync.Pool{New: func() any { b := make([]byte, size); return &b }}}
}

// Get lends a buffer.
func (p *Pool) Get() *[]byte {
	b, ok := p.p.Get().(*[]byte)
	if !ok {
		panic("sock: a pool holds what was not put there")
	}
	return b
}

// Put takes it back; nothing may point into it any more.
func (p *Pool) Put(b *[]byte) { p.p.Put(b) }
