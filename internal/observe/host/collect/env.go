package collect

import (
	"context"
	"fmt"
	"sync"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/procs"
)

// Env is what a collector works with: the question, and what several
// collectors need and is therefore read only once.
type Env struct {
	Ask
	src       Sources
	processes once[procs.Table]
	listeners once[Listening]
	addresses once[fact.Addresses]
}

// Sources read the shared state. The runner gives the real ones; a test gives
// its own.
type Sources struct {
	Processes func(context.Context, *Env) procs.Table
	Listeners func(context.Context, *Env) Listening
	Addresses func(context.Context, *Env) fact.Addresses
}

// Listening is the shared answer about listening sockets.
type Listening struct {
	fact.Listeners
	Inodes  []uint32                 // of Sockets, one by one
	Exact   bool                     // queues' sizes, drops and v6-only are known
	Missing []originward.NotObserved // what could not be seen of them
	Err     error                    // the sockets could not be read at all
}

// NewEnv makes the environment of one run. Sources that are nil answer with
// nothing known.
func NewEnv(a Ask, s Sources) *Env { return &Env{Ask: a.withDefaults(), src: s} }

// Processes is the process table of the host. It is read once; a caller whose
// context ends first gets an empty table with the context's error.
func (e *Env) Processes(ctx context.Context) procs.Table {
	if e.src.Processes == nil {
		return procs.Table{}
	}
	t, err := e.processes.get(ctx, func() procs.Table { return e.src.Processes(ctx, e) })
	if err != nil {
		t.Err = err
	}
	return t
}

// Listeners are the listening sockets with their owners. Read once.
func (e *Env) Listeners(ctx context.Context) Listening {
	if e.src.Listeners == nil {
		return Listening{}
	}
	l, err := e.listeners.get(ctx, func() Listening { return e.src.Listeners(ctx, e) })
	if err != nil {
		l.Err = err
	}
	return l
}

// Addresses are the host's interfaces and addresses. Read once; without
// interfaces nothing is known.
func (e *Env) Addresses(ctx context.Context) fact.Addresses {
	if e.src.Addresses == nil {
		return fact.Addresses{}
	}
	a, _ := e.addresses.get(ctx, func() fact.Addresses { return e.src.Addresses(ctx, e) })
	return a
}

// once computes a value a single time, on the first caller's account, and lets
// every caller give up when its own time is over.
type once[T any] struct {
	mu   sync.Mutex // guards done and v
	done chan struct{}
	v    T
	err  error
}

func (o *once[T]) get(ctx context.Context, f func() T) (T, error) {
	o.mu.Lock()
	if o.done == nil {
		done := make(chan struct{})
		o.done = done
		go func() {
			defer close(done)
			v, err := guard(f)
			o.mu.Lock()
			o.v, o.err = v, err
			o.mu.Unlock()
		}()
	}
	done := o.done
	o.mu.Unlock()
	select {
	case <-done:
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.v, o.err
	case <-ctx.Done():
		var zero T
		return zero, ctx.Err()
	}
}

// guard turns a panic of a shared reader into an error for all who wait.
func guard[T any](f func() T) (v T, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("internal error: %v", r)
		}
	}()
	return f(), nil
}
