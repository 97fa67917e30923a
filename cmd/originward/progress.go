package main

import (
	"fmt"
	"sync"
	"time"
)

// progress says on a terminal what a run is waiting for, once it has taken a
// second. Elsewhere it is silent.
type progress struct {
	s     streams
	began time.Time

	mu    sync.Mutex
	shown bool // guarded by mu
}

// quiet is how long a run may take before it says what it does.
const quiet = time.Second

func newProgress(s streams) *progress { return &progress{s: s, began: time.Now()} }

func (p *progress) say(what string) {
	if !p.s.progress || time.Since(p.began) < quiet {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shown = true
	fmt.Fprintf(p.s.err, "\r\x1b[K%s …", what)
}

func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		fmt.Fprint(p.s.err, "\r\x1b[K")
	}
}
