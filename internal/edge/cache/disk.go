package cache

import (
	"container/list"
	"crypto/sha256"
	"encoding/gob"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/originward/originward/internal/http1"
)

// disk is the tier behind memory: one file a response, an index in memory. The
// index is saved when the edge ends in order; without it the files of the last
// run are worth nothing and are removed, for a purge may have been lost.
type disk struct {
	dir   string
	max   int64
	log   *slog.Logger
	mu    sync.Mutex
	files map[string]*list.Element // by name of file
	byKey map[string][]string      // names by key
	lru   *list.List               // of *diskFile, the most recent first
	size  int64
	queue chan *Entry
	ended chan struct{}
}

// diskFile is a line of the index.
type diskFile struct {
	Name, Key string
	Tags      []string
	Size      int64
}

// saved is a response on disk.
type saved struct {
	Key, Vary, Varied string
	Status            int
	Reason            []byte
	Fields            [][2][]byte
	Tags              []string
	Control           savedControl
	Fresh             time.Duration
	Born              time.Time
	Body              []byte
}

type savedControl struct {
	NoCache, MustRevalidate, ProxyRevalidate bool
	WhileRevalidate, IfError                 time.Duration
}

const indexFile = "index"

// diskQueue is how many responses may wait to be written; more are dropped, for
// a cache may lose anything.
const diskQueue = 256

func openDisk(dir string, max int64, log *slog.Logger) (*disk, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cache on disk: %w", err)
	}
	d := &disk{dir: dir, max: max, log: log, files: map[string]*list.Element{}, byKey: map[string][]string{}, lru: list.New(),
		queue: make(chan *Entry, diskQueue), ended: make(chan struct{})}
	if err := d.readIndex(); err != nil {
		return nil, err
	}
	go d.write()
	return d, nil
}

// readIndex takes the index of a run that ended in order, once.
func (d *disk) readIndex() error {
	f, err := os.Open(filepath.Join(d.dir, indexFile))
	if err != nil {
		return d.wipe()
	}
	var lines []diskFile
	err = gob.NewDecoder(f).Decode(&lines)
	f.Close()
	if err != nil {
		return d.wipe()
	}
	if err := os.Remove(f.Name()); err != nil {
		return fmt.Errorf("cache on disk: %w", err)
	}
	for i := range lines {
		d.enter(&lines[i])
	}
	return nil
}

// wipe removes what an earlier run left; only files that are ours by name.
func (d *disk) wipe() error {
	return filepath.WalkDir(d.dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := e.Name(); !e.IsDir() && (name == indexFile || len(strings.TrimSuffix(name, ".tmp")) == 2*sha256.Size) {
			return os.Remove(p)
		}
		return nil
	})
}

func (d *disk) enter(f *diskFile) {
	d.files[f.Name] = d.lru.PushFront(f)
	d.byKey[f.Key] = append(d.byKey[f.Key], f.Name)
	d.size += f.Size
}

func (d *disk) path(name string) string { return filepath.Join(d.dir, name[:2], name) }

func fileName(e *Entry) string {
	h := sha256.Sum256([]byte(e.Key + "\x00" + e.vary + "\x00" + e.varied))
	return hex.EncodeToString(h[:])
}

// offer hands an entry over to be written, if it answered at least twice and
// there is room in the queue.
func (d *disk) offer(e *Entry) {
	if _, whole := e.Body.Size(); !whole || e.used.Load() < 1 {
		return
	}
	select {
	case d.queue <- e:
	default:
	}
}

func (d *disk) write() {
	defer close(d.ended)
	for e := range d.queue {
		if err := d.save(e); err != nil {
			d.log.Warn("cache on disk", "error", err)
		}
	}
}

func (d *disk) save(e *Entry) error {
	s := saved{Key: e.Key, Vary: e.vary, Varied: e.varied, Status: e.Head.Status, Reason: e.Head.Reason, Tags: e.tags, Fresh: e.fresh, Born: e.born,
		Control: savedControl{e.control.noCache, e.control.mustRevalidate, e.control.proxyRevalidate, e.control.whileRevalidate, e.control.ifError}}
	for _, f := range e.Head.Fields {
		s.Fields = append(s.Fields, [2][]byte{f.Name, f.Value})
	}
	for r := e.Body.Read(0, -1, nil); ; {
		p, err := r.Next()
		if err != nil {
			break
		}
		s.Body = append(s.Body, p...)
	}
	name := fileName(e)
	path := d.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path+".tmp", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = errors.Join(gob.NewEncoder(f).Encode(&s), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(path+".tmp"))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.remove(name)
	d.enter(&diskFile{Name: name, Key: e.Key, Tags: e.tags, Size: int64(len(s.Body)) + 1024})
	for d.size > d.max {
		old := d.lru.Back().Value.(*diskFile)
		d.remove(old.Name)
		_ = os.Remove(d.path(old.Name)) // a file that stays is overwritten or wiped later
	}
	return nil
}

// remove takes a file out of the index; the caller holds the lock.
func (d *disk) remove(name string) {
	el := d.files[name]
	if el == nil {
		return
	}
	f := d.lru.Remove(el).(*diskFile)
	delete(d.files, name)
	d.size -= f.Size
	names := d.byKey[f.Key]
	for i, n := range names {
		if n == name {
			names = append(names[:i:i], names[i+1:]...)
			break
		}
	}
	if d.byKey[f.Key] = names; len(names) == 0 {
		delete(d.byKey, f.Key)
	}
}

// load reads the responses of a key back.
func (d *disk) load(key string) []*Entry {
	d.mu.Lock()
	names := append([]string(nil), d.byKey[key]...)
	for _, n := range names {
		d.lru.MoveToFront(d.files[n])
	}
	d.mu.Unlock()
	var out []*Entry
	for _, n := range names {
		e, err := readSaved(d.path(n))
		if err != nil || e.Key != key {
			d.mu.Lock()
			d.remove(n)
			d.mu.Unlock()
			continue
		}
		out = append(out, e)
	}
	return out
}

func readSaved(path string) (*Entry, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var s saved
	if err := gob.NewDecoder(f).Decode(&s); err != nil {
		return nil, err
	}
	e := &Entry{Key: s.Key, vary: s.Vary, varied: s.Varied, tags: s.Tags, fresh: s.Fresh, born: s.Born, Body: &Body{expect: int64(len(s.Body))},
		control: control{present: true, noCache: s.Control.NoCache, mustRevalidate: s.Control.MustRevalidate, proxyRevalidate: s.Control.ProxyRevalidate,
			whileRevalidate: s.Control.WhileRevalidate, ifError: s.Control.IfError}}
	e.Head = http1.ResponseHead{Status: s.Status, Reason: s.Reason}
	e.Head.Minor, e.Head.ContentLength = 1, int64(len(s.Body))
	for _, f := range s.Fields {
		e.Head.Fields = append(e.Head.Fields, http1.Field{Name: f[0], Value: f[1], ID: http1.LookupField(f[0])})
	}
	_, _ = e.Body.Write(s.Body) // memory does not fail
	e.Body.Close()
	return e, nil
}

// drop forgets what matches.
func (d *disk) drop(match func(key string, tags []string) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, el := range d.files {
		if f := el.Value.(*diskFile); match(f.Key, f.Tags) {
			d.remove(name)
			_ = os.Remove(d.path(name)) // out of the index it is gone either way
		}
	}
}

// forget drops a key.
func (d *disk) forget(key string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, name := range append([]string(nil), d.byKey[key]...) {
		d.remove(name)
		_ = os.Remove(d.path(name)) // out of the index it is gone either way
	}
}

// close writes what waits, and the index.
func (d *disk) close() error {
	close(d.queue)
	<-d.ended
	d.mu.Lock()
	defer d.mu.Unlock()
	var lines []diskFile
	for el := d.lru.Back(); el != nil; el = el.Prev() {
		lines = append(lines, *el.Value.(*diskFile))
	}
	f, err := os.OpenFile(filepath.Join(d.dir, indexFile), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("cache on disk: %w", err)
	}
	return errors.Join(gob.NewEncoder(f).Encode(lines), f.Close())
}
