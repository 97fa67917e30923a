// Package webconfig reads the configurations of the web servers and proxies of
// this host, with file and line, and asks whether the backends they forward to
// answer.
//
// Configs finds and reads them once per run and is shared by every collector
// that needs to know certificates, log files or backends.
package webconfig

import (
	"context"
	"sync"
	"time"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/collect"
	"github.com/originward/originward/internal/observe/host/names"
	"github.com/originward/originward/internal/observe/host/procs"
	"github.com/originward/originward/internal/observe/host/rootfs"
)

// Instance is one server program with its configuration.
type Instance struct {
	fact.WebConfig
	FS     rootfs.FS       // the tree in which the program sees its files
	Procs  []procs.Process // its processes, the master first; empty = none runs
	Loaded time.Time       // when the running processes took the configuration; zero = not known
	Newest time.Time       // youngest modification of its files
	Files  []string        // files of the configuration
}

// Configs are the configurations of this host. Make one per run with New.
type Configs struct {
	mu    sync.Mutex // guards done, list and book
	done  chan struct{}
	list  []Instance
	book  *names.Book
	found Found
}

// Found says how sure the list is.
type Found struct {
	Complete fact.Tri // every process of this network namespace was visible
	Hidden   int      // processes that could not be told apart
}

// New makes an empty collection; the first caller of All fills it.
func New() *Configs { return &Configs{} }

// All gives every configuration. It is read once; a caller whose context ends
// first gets nothing and the context's error.
func (c *Configs) All(ctx context.Context, env *collect.Env) ([]Instance, Found, error) {
	c.mu.Lock()
	if c.done == nil {
		c.done = make(chan struct{})
		go func() {
			defer close(c.done)
			list, found := find(ctx, env)
			c.mu.Lock()
			c.list, c.found = list, found
			c.mu.Unlock()
		}()
	}
	done := c.done
	c.mu.Unlock()
	select {
	case <-done:
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.list, c.found, nil
	case <-ctx.Done():
		return nil, Found{}, ctx.Err()
	}
}

// Book looks names up for everybody who shares the configurations.
func (c *Configs) Book(env *collect.Env) *names.Book {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.book == nil {
		c.book = names.New(rootfs.FS{Root: env.Root}, nil)
	}
	return c.book
}
