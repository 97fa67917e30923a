package edge

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// presence is a context that ends when an HTTP/1 visitor leaves while its request
// waits for the origin. Nobody reads from the visitor meanwhile, so its connection
// is looked at from outside, and only once the wait is long.
type presence struct {
	asked atomic.Int64 // since when the origin is waited for, Unix nanoseconds; 0 = it is not

	mu sync.Mutex
	// mu guards the following.
	left  bool
	f     func() // to call when the visitor leaves
	done  chan struct{}
	unset func() bool // made once
}

// presenceLook is how often waiting visitors are looked at; a wait is long after as long.
const presenceLook = time.Second

// watchVisitors notices visitors who have left, until the edge ends.
func (e *Edge) watchVisitors() {
	t := time.NewTicker(presenceLook)
	defer t.Stop()
	for {
		select {
		case <-e.stop:
			return
		case <-t.C:
		}
		for _, c := range e.waiting(time.Now().Add(-presenceLook).UnixNano()) {
			// A visitor that has ended its own direction only is taken for gone, too, as
			// nginx does: nothing tells the two apart.
			if c.sock.Gone() {
				c.presence.leave()
			}
		}
	}
}

// waiting are the visitors whose requests have waited for the origin since before.
func (e *Edge) waiting(before int64) (out []*visitor) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for c := range e.visitors {
		if at := c.presence.asked.Load(); at != 0 && at < before {
			out = append(out, c)
		}
	}
	return out
}

// leave ends the context, unless the answer has come meanwhile.
func (p *presence) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left || p.asked.Load() == 0 {
		return
	}
	p.left = true
	if p.done != nil {
		close(p.done)
	}
	if p.f != nil {
		go p.f()
	}
	p.f = nil
}

// Deadline is none.
func (p *presence) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done is closed when the visitor has left.
func (p *presence) Done() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.channelLocked()
}

func (p *presence) channelLocked() chan struct{} {
	if p.done == nil {
		p.done = make(chan struct{})
		if p.left {
			close(p.done)
		}
	}
	return p.done
}

// Err is context.Canceled once the visitor has left.
func (p *presence) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left {
		return context.Canceled
	}
	return nil
}

// Value is always nil.
func (p *presence) Value(any) any { return nil }

// AfterFunc calls f in a goroutine of its own when the visitor leaves; package
// context uses it. The first registration, which is usually the only one, allocates nothing.
func (p *presence) AfterFunc(f func()) (stop func() bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.left:
		go f()
		return func() bool { return false }
	case p.f != nil:
		return context.AfterFunc(doneOnly{p.channelLocked()}, f)
	}
	p.f = f
	if p.unset == nil {
		p.unset = p.stopFirst
	}
	return p.unset
}

func (p *presence) stopFirst() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.f != nil
	p.f = nil
	return was
}

// doneOnly is a context that its channel alone tells about.
type doneOnly struct{ done <-chan struct{} }

// Deadline is none.
func (doneOnly) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done is the channel.
func (d doneOnly) Done() <-chan struct{} { return d.done }

// Err is context.Canceled once the channel is closed.
func (d doneOnly) Err() error {
	select {
	case <-d.done:
		return context.Canceled
	default:
		return nil
	}
}

// Value is always nil.
func (doneOnly) Value(any) any { return nil }
