package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

// follow has a store followed, and gives what is told of other processes' changes.
func follow(t *testing.T, s *Store) <-chan Changed {
	t.Helper()
	told := make(chan Changed, 100)
	s.OnCommit(func(c Changed) { told <- c })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Follow(ctx, func(err error) { t.Log(err) })
	}()
	t.Cleanup(func() { cancel(); <-done })
	if s.postgres { // everything counts as changed when it begins to listen
		if c := next(t, told); !c.All {
			t.Fatalf("told of %+v at first", c)
		}
	}
	return told
}

func next(t *testing.T, told <-chan Changed) Changed {
	t.Helper()
	select {
	case c := <-told:
		return c
	case <-time.After(20 * time.Second):
		t.Fatal("nobody is told")
		return Changed{}
	}
}

// Two processes on one store: each is told of the other's changes, in their order,
// and of its own once.
func testFollow(t *testing.T, place string) {
	a, b := open(t, place), open(t, place)
	toldA, toldB := follow(t, a), follow(t, b)
	z := addZone(t, a, "shop.example")
	if c := next(t, toldA); !slices.Equal(c.Zones, []string{z.ID}) {
		t.Errorf("the writer is told of %+v", c)
	}
	if c := next(t, toldB); !slices.Equal(c.Zones, []string{z.ID}) || c.Global || c.All {
		t.Errorf("the other is told of %+v", c)
	}
	for i := range 5 {
		change(t, b, func(tx *Tx) error {
			return tx.AddRecord(&Record{Zone: z.ID, Type: "A", Name: "shop.example", Content: fmt.Sprintf("192.0.2.%d", i), TTL: 1})
		})
	}
	change(t, b, func(tx *Tx) error {
		return tx.AddObject(&Object{Kind: "list", Name: "l", Body: json.RawMessage(`1`)}, nil)
	})
	for range 5 {
		if c := next(t, toldA); !slices.Equal(c.Zones, []string{z.ID}) {
			t.Errorf("told of %+v", c)
		}
	}
	if c := next(t, toldA); !c.Global {
		t.Errorf("told of %+v", c)
	}
	if n := len(read(t, a, func(tx *Tx) ([]Record, error) { return tx.Records(z.ID) })); n != 5 {
		t.Errorf("%d records", n)
	}
	select {
	case c := <-toldA:
		t.Errorf("told once more, of %+v", c)
	default:
	}
}

// Two processes change the same object: the second to come is told of a conflict.
func testConflictOfTwo(t *testing.T, place string) {
	a, b := open(t, place), open(t, place)
	x := Object{Kind: "list", Name: "l", Body: json.RawMessage(`1`)}
	change(t, a, func(tx *Tx) error { return tx.AddObject(&x, nil) })
	get := func(s *Store) Object {
		return read(t, s, func(tx *Tx) (Object, error) { return tx.Object("list", "", x.ID) })
	}
	mine, theirs := get(a), get(b)
	mine.Body, theirs.Body = json.RawMessage(`2`), json.RawMessage(`3`)
	change(t, b, func(tx *Tx) error { return tx.PutObject(&theirs, nil, nil) })
	if err := a.Change(t.Context(), tester, func(tx *Tx) error { return tx.PutObject(&mine, nil, nil) }); !errors.Is(err, ErrConflict) {
		t.Errorf("the second writer: %v", err)
	}
	if got := get(a); string(got.Body) != "3" {
		t.Errorf("kept is %s", got.Body)
	}
}

// A file's list of changes is bounded; who has missed some of it looks at everything.
func TestFollowerThatMissedChanges(t *testing.T) {
	place := t.TempDir() + "/store.db"
	a, b := open(t, place), open(t, place)
	z := addZone(t, a, "shop.example")
	var told []Changed
	b.OnCommit(func(c Changed) { told = append(told, c) })
	if _, err := a.db.ExecContext(t.Context(), `UPDATE changes SET seq = seq + ?`, 5*keepLog); err != nil {
		t.Fatal(err)
	}
	if err := b.lookOnce(t.Context()); err != nil || len(told) != 1 || !told[0].All {
		t.Errorf("%v, told of %+v", err, told)
	}
	if _, err := a.db.ExecContext(t.Context(), `UPDATE changes SET seq = 1`); err != nil {
		t.Fatal(err)
	}
	if _, err := a.db.ExecContext(t.Context(), `INSERT INTO changes (seq, writer, zones, elsewhere) VALUES (?, 'x', '[]', 0)`, 2*keepLog); err != nil {
		t.Fatal(err)
	}
	change(t, a, func(tx *Tx) error { return tx.Note(z.ID, "test", "thing", "1", nil) })
	n := read(t, a, func(tx *Tx) (int, error) {
		return one(tx, func(r scanner) (n int, err error) { return n, r.Scan(&n) }, `SELECT COUNT(*) FROM changes`)
	})
	if n != 2 { // the first one is too long ago
		t.Errorf("%d changes are kept", n)
	}
}

// After a connection that was lost, everything counts as changed.
func TestFollowAgain(t *testing.T) {
	place := postgres(t)
	s := open(t, place)
	told := follow(t, s)
	if out, err := psql("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if c := next(t, told); !c.All {
		t.Errorf("told of %+v", c)
	}
	z := addZone(t, open(t, place), "shop.example")
	if c := next(t, told); !slices.Equal(c.Zones, []string{z.ID}) {
		t.Errorf("told of %+v", c)
	}
}
