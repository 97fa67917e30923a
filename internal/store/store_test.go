package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var tester = Actor{Type: "token", ID: "t1", Name: "tester", IP: "192.0.2.7"}

// suite is what every database has to pass. open opens the same database again
// for the same place.
var suite = []struct {
	name string
	run  func(t *testing.T, place string)
}{
	{"Zones", testZones},
	{"Records", testRecords},
	{"Objects", testObjects},
	{"Tokens", testTokens},
	{"Audit", testAudit},
	{"Events", testEvents},
	{"Conflict", testConflict},
	{"Rollback", testRollback},
	{"Commit order", testCommitOrder},
	{"Reopen", testReopen},
	{"Newer schema", testNewerSchema},
	{"Concurrent writers", testConcurrent},
	{"Other processes", testFollow},
	{"Other processes conflict", testConflictOfTwo},
}

func TestSQLite(t *testing.T) {
	for _, c := range suite {
		t.Run(c.name, func(t *testing.T) { c.run(t, filepath.Join(t.TempDir(), "data", "store.db")) })
	}
}

func TestPostgreSQL(t *testing.T) {
	for _, c := range suite {
		t.Run(c.name, func(t *testing.T) { c.run(t, postgres(t)) })
	}
}

func open(t *testing.T, place string) *Store {
	t.Helper()
	s, err := Open(t.Context(), place, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func change(t *testing.T, s *Store, f func(*Tx) error) {
	t.Helper()
	if err := s.Change(t.Context(), tester, f); err != nil {
		t.Fatal(err)
	}
}

// read gives what f reads.
func read[T any](t *testing.T, s *Store, f func(*Tx) (T, error)) T {
	t.Helper()
	var v T
	if err := s.View(t.Context(), func(tx *Tx) (err error) { v, err = f(tx); return err }); err != nil {
		t.Fatal(err)
	}
	return v
}

func addZone(t *testing.T, s *Store, name string) Zone {
	t.Helper()
	z := Zone{Name: name, Kind: "full", Settings: map[string]json.RawMessage{"ssl": json.RawMessage(`"strict"`)}}
	change(t, s, func(tx *Tx) error { return tx.AddZone(&z) })
	return z
}

func testZones(t *testing.T, place string) {
	s := open(t, place)
	z := addZone(t, s, "shop.example")
	addZone(t, s, "a.example")
	if len(z.ID) != 32 || z.Version != 1 || z.Created.IsZero() || z.Serial == 0 {
		t.Errorf("added %+v", z)
	}
	all := read(t, s, (*Tx).Zones)
	if len(all) != 2 || all[0].Name != "a.example" || string(all[1].Settings["ssl"]) != `"strict"` {
		t.Errorf("zones %+v", all)
	}
	got := read(t, s, func(tx *Tx) (Zone, error) { return tx.ZoneByName("shop.example") })
	if got.ID != z.ID || !got.Created.Equal(z.Created) {
		t.Errorf("by name %+v, want %+v", got, z)
	}
	serial := got.Serial
	got.Paused, got.Settings["ssl"] = true, json.RawMessage(`"full"`)
	change(t, s, func(tx *Tx) error { return tx.PutZone(&got) })
	again := read(t, s, func(tx *Tx) (Zone, error) { return tx.Zone(z.ID) })
	if !again.Paused || string(again.Settings["ssl"]) != `"full"` || again.Version != 2 || again.Serial <= serial {
		t.Errorf("changed %+v", again)
	}
	err := s.Change(t.Context(), tester, func(tx *Tx) error { return tx.AddZone(&Zone{Name: "shop.example", Kind: "full"}) })
	if !errors.Is(err, ErrExists) {
		t.Errorf("a second zone of the name: %v", err)
	}
	change(t, s, func(tx *Tx) error {
		if err := tx.AddRecord(&Record{Zone: z.ID, Type: "A", Name: "shop.example", Content: "192.0.2.1", TTL: 1}); err != nil {
			return err
		}
		return tx.AddObject(&Object{Kind: "ruleset", Zone: z.ID, Body: json.RawMessage(`{}`)}, nil)
	})
	change(t, s, func(tx *Tx) error { return tx.DeleteZone(z.ID) })
	if n := len(read(t, s, func(tx *Tx) ([]Record, error) { return tx.Records(z.ID) })); n != 0 {
		t.Errorf("%d records are left of a deleted zone", n)
	}
	if n := len(read(t, s, func(tx *Tx) ([]Object, error) { return tx.ZoneObjects(z.ID) })); n != 0 {
		t.Errorf("%d objects are left of a deleted zone", n)
	}
	err = s.Change(t.Context(), tester, func(tx *Tx) error { return tx.DeleteZone(z.ID) })
	if !errors.Is(err, ErrNotFound) {
		t.Errorf("deleted twice: %v", err)
	}
}

func testRecords(t *testing.T, place string) {
	s := open(t, place)
	z := addZone(t, s, "shop.example")
	r := Record{
		Zone: z.ID, Type: "MX", Name: "shop.example", Content: "mail.shop.example", Priority: 10, TTL: 300, Comment: "naïve ☂", Tags: []string{"a:b", "c"},
		Data: json.RawMessage(`{"x":1}`), Proxied: true,
	}
	change(t, s, func(tx *Tx) error { return tx.AddRecord(&r) })
	got := read(t, s, func(tx *Tx) (Record, error) { return tx.Record(z.ID, r.ID) })
	if got.Content != r.Content || got.Priority != 10 || got.Comment != r.Comment || !slices.Equal(got.Tags, r.Tags) || string(got.Data) != `{"x":1}` || !got.Proxied {
		t.Errorf("record %+v", got)
	}
	before := read(t, s, func(tx *Tx) (Zone, error) { return tx.Zone(z.ID) }).Serial
	got.TTL, got.Tags = 600, nil
	change(t, s, func(tx *Tx) error { return tx.PutRecord(&got) })
	if x := read(t, s, func(tx *Tx) (Record, error) { return tx.Record(z.ID, r.ID) }); x.TTL != 600 || x.Tags != nil || x.Version != 2 {
		t.Errorf("changed %+v", x)
	}
	if after := read(t, s, func(tx *Tx) (Zone, error) { return tx.Zone(z.ID) }).Serial; after <= before {
		t.Errorf("the zone's serial went from %d to %d", before, after)
	}
	twice := r
	if err := s.Change(t.Context(), tester, func(tx *Tx) error { return tx.AddRecord(&twice) }); !errors.Is(err, ErrExists) {
		t.Errorf("an identical record: %v", err)
	}
	if err := s.Change(t.Context(), tester, func(tx *Tx) error { return tx.AddRecord(&Record{Zone: "nowhere", Type: "A"}) }); !errors.Is(err, ErrNotFound) {
		t.Errorf("a record of no zone: %v", err)
	}
	other := addZone(t, s, "other.example")
	if err := s.Change(t.Context(), tester, func(tx *Tx) error { return tx.DeleteRecord(other.ID, r.ID, 0) }); !errors.Is(err, ErrNotFound) {
		t.Errorf("a record of another zone: %v", err)
	}
	change(t, s, func(tx *Tx) error { return tx.DeleteRecord(z.ID, r.ID, 2) })
	if n := len(read(t, s, func(tx *Tx) ([]Record, error) { return tx.RecordsOf(z.ID, "shop.example") })); n != 0 {
		t.Errorf("%d records left", n)
	}
}

func testObjects(t *testing.T, place string) {
	s := open(t, place)
	z := addZone(t, s, "shop.example")
	x := Object{Kind: "list", Zone: "", Name: "office", Body: json.RawMessage(`{"items":[]}`)}
	secret := Object{Kind: "certificate", Zone: z.ID, Body: json.RawMessage(`{"key":"SECRET"}`)}
	change(t, s, func(tx *Tx) error {
		return errors.Join(tx.AddObject(&x, nil), tx.AddObject(&secret, map[string]string{"id": "shown"}))
	})
	if got := read(t, s, func(tx *Tx) (Object, error) { return tx.ObjectByName("list", "", "office") }); got.ID != x.ID || string(got.Body) != `{"items":[]}` {
		t.Errorf("by name %+v", got)
	}
	if err := s.Change(t.Context(), tester, func(tx *Tx) error {
		return tx.AddObject(&Object{Kind: "list", Name: "office", Body: json.RawMessage(`{}`)}, nil)
	}); !errors.Is(err, ErrExists) {
		t.Errorf("a name twice: %v", err)
	}
	x.Body = json.RawMessage(`{"items":[1]}`)
	change(t, s, func(tx *Tx) error { return tx.PutObject(&x, nil, nil) })
	if got := read(t, s, func(tx *Tx) ([]Object, error) { return tx.Objects("list", "") }); len(got) != 1 || got[0].Version != 2 {
		t.Errorf("objects %+v", got)
	}
	change(t, s, func(tx *Tx) error {
		return tx.DeleteObject("certificate", z.ID, secret.ID, 1, map[string]string{"id": "shown"})
	})
	for _, e := range logOf(t, s, LogQuery{}) {
		if strings.Contains(string(e.Before)+string(e.After), "SECRET") {
			t.Errorf("a secret stands in the audit log: %+v", e)
		}
	}
}

func logOf(t *testing.T, s *Store, q LogQuery) []Entry {
	t.Helper()
	return read(t, s, func(tx *Tx) ([]Entry, error) { e, _, err := tx.Log(q); return e, err })
}

func testTokens(t *testing.T, place string) {
	s := open(t, place)
	end := time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
	x := Token{Name: "ops", Hash: "hash-1", Status: "active", Policies: json.RawMessage(`[]`), Expires: end}
	change(t, s, func(tx *Tx) error { return tx.AddToken(&x) })
	all := read(t, s, (*Tx).Tokens)
	if len(all) != 1 || all[0].Hash != "hash-1" || !all[0].Expires.Equal(end) || !all[0].NotBefore.IsZero() || all[0].Conditions != nil {
		t.Errorf("tokens %+v", all)
	}
	x.Hash = "hash-2"
	change(t, s, func(tx *Tx) error { return tx.PutToken(&x) })
	change(t, s, func(tx *Tx) error { return tx.DeleteToken(x.ID) })
	var actions []string
	for _, e := range logOf(t, s, LogQuery{Kind: "token", OldestFirst: true}) {
		actions = append(actions, e.Action)
		if strings.Contains(string(e.Before)+string(e.After), "hash-") {
			t.Errorf("a hash stands in the audit log: %s %s", e.Before, e.After)
		}
	}
	if !slices.Equal(actions, []string{"add", "roll", "delete"}) {
		t.Errorf("actions %v", actions)
	}
}

func testAudit(t *testing.T, place string) {
	s := open(t, place)
	z := addZone(t, s, "shop.example")
	r := Record{Zone: z.ID, Type: "A", Name: "shop.example", Content: "192.0.2.1", TTL: 1, Proxied: true}
	change(t, s, func(tx *Tx) error { return tx.AddRecord(&r) })
	r.Proxied = false
	change(t, s, func(tx *Tx) error { return tx.PutRecord(&r) })
	change(t, s, func(tx *Tx) error { return tx.DeleteRecord(z.ID, r.ID, 0) })
	log := logOf(t, s, LogQuery{Zone: z.ID, Kind: "dns_record"})
	if len(log) != 3 || log[0].Action != "delete" || log[1].Action != "change" || log[2].Action != "add" {
		t.Fatalf("log %+v", log)
	}
	if !strings.Contains(string(log[1].Before), `"proxied":true`) || !strings.Contains(string(log[1].After), `"proxied":false`) {
		t.Errorf("before %s, after %s", log[1].Before, log[1].After)
	}
	if log[0].After != nil || log[2].Before != nil || log[0].Actor != tester || log[0].Object != r.ID {
		t.Errorf("log %+v", log)
	}
	if page := logOf(t, s, LogQuery{Zone: z.ID, Limit: 1, Offset: 1, Kind: "dns_record"}); len(page) != 1 || page[0].ID != log[1].ID {
		t.Errorf("page %+v", page)
	}
	if late := logOf(t, s, LogQuery{Since: time.Now().Add(time.Minute)}); len(late) != 0 {
		t.Errorf("from the future: %+v", late)
	}
}

func testEvents(t *testing.T, place string) {
	s := open(t, place)
	z := addZone(t, s, "shop.example")
	at := time.Now().UTC().Truncate(time.Microsecond)
	var batch []Event
	for i := range 5 {
		batch = append(batch, Event{Zone: z.ID, At: at.Add(time.Duration(i) * time.Second), Ray: fmt.Sprintf("ray%d", i), Body: json.RawMessage(`{}`)})
	}
	if err := s.AddEvents(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	find := func(q EventQuery) []Event {
		q.Zone = z.ID
		return read(t, s, func(tx *Tx) ([]Event, error) { return tx.Events(q) })
	}
	if all := find(EventQuery{}); len(all) != 5 || all[0].Ray != "ray4" || !all[4].At.Equal(at) {
		t.Errorf("events %+v", all)
	}
	again := find(EventQuery{Limit: 1})
	if err := s.AddEvents(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	if all := find(EventQuery{}); len(all) != 5 {
		t.Errorf("%d events after one was added again", len(all))
	}
	if one := find(EventQuery{Ray: "ray2"}); len(one) != 1 || one[0].Ray != "ray2" {
		t.Errorf("by ray %+v", one)
	}
	if some := find(EventQuery{Since: at.Add(time.Second), Before: at.Add(3 * time.Second), Limit: 1}); len(some) != 1 || some[0].Ray != "ray2" {
		t.Errorf("by time %+v", some)
	}
}

func testConflict(t *testing.T, place string) {
	s := open(t, place)
	z := addZone(t, s, "shop.example")
	r := Record{Zone: z.ID, Type: "A", Name: "shop.example", Content: "192.0.2.1", TTL: 1}
	x := Object{Kind: "ruleset", Zone: z.ID, Body: json.RawMessage(`{}`)}
	k := Token{Name: "ops", Hash: "h", Status: "active", Policies: json.RawMessage(`[]`)}
	change(t, s, func(tx *Tx) error { return errors.Join(tx.AddRecord(&r), tx.AddObject(&x, nil), tx.AddToken(&k)) })
	for name, put := range map[string]func(*Tx) error{
		"zone":   func(tx *Tx) error { c := z; return tx.PutZone(&c) },
		"record": func(tx *Tx) error { c := r; return tx.PutRecord(&c) },
		"object": func(tx *Tx) error { c := x; return tx.PutObject(&c, nil, nil) },
		"token":  func(tx *Tx) error { c := k; return tx.PutToken(&c) },
	} {
		change(t, s, put) // both have read version 1; this one is first
		if err := s.Change(t.Context(), tester, put); !errors.Is(err, ErrConflict) {
			t.Errorf("%s: the second writer got %v", name, err)
		}
	}
	if err := s.Change(t.Context(), tester, func(tx *Tx) error { return tx.DeleteRecord(z.ID, r.ID, 1) }); !errors.Is(err, ErrConflict) {
		t.Errorf("a delete of an old version: %v", err)
	}
}

func testRollback(t *testing.T, place string) {
	s := open(t, place)
	told := 0
	s.OnCommit(func(Changed) { told++ })
	wrong := errors.New("wrong")
	err := s.Change(t.Context(), tester, func(tx *Tx) error {
		if err := tx.AddZone(&Zone{Name: "shop.example", Kind: "full"}); err != nil {
			t.Error(err)
		}
		return wrong
	})
	if !errors.Is(err, wrong) || told != 0 {
		t.Errorf("error %v, told %d times", err, told)
	}
	if n := len(read(t, s, (*Tx).Zones)); n != 0 {
		t.Errorf("%d zones of a change that failed", n)
	}
	if n := len(logOf(t, s, LogQuery{})); n != 0 {
		t.Errorf("%d lines in the audit log of a change that failed", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := s.Change(ctx, tester, func(tx *Tx) error {
		cancel()
		return tx.AddZone(&Zone{Name: "late.example", Kind: "full"})
	}); err == nil {
		t.Error("a change of a caller that went away is kept")
	}
	addZone(t, s, "after.example") // the store still works
}

func testCommitOrder(t *testing.T, place string) {
	s := open(t, place)
	z := addZone(t, s, "shop.example")
	var seen []int
	s.OnCommit(func(c Changed) {
		if !slices.Equal(c.Zones, []string{z.ID}) || c.Global {
			t.Errorf("told of %+v", c)
		}
		n := len(read(t, s, func(tx *Tx) ([]Record, error) { return tx.Records(z.ID) }))
		seen = append(seen, n)
	})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			r := Record{Zone: z.ID, Type: "A", Name: "shop.example", Content: fmt.Sprintf("192.0.2.%d", i), TTL: 1}
			if err := s.Change(t.Context(), tester, func(tx *Tx) error { return tx.AddRecord(&r) }); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(seen) != 8 || !slices.IsSorted(seen) || seen[7] != 8 {
		t.Errorf("what was seen after each commit: %v", seen)
	}
}

func testReopen(t *testing.T, place string) {
	z := addZone(t, open(t, place), "shop.example")
	if got := read(t, open(t, place), func(tx *Tx) (Zone, error) { return tx.Zone(z.ID) }); got.Name != "shop.example" {
		t.Errorf("after opening again: %+v", got)
	}
}

func testNewerSchema(t *testing.T, place string) {
	s := open(t, place)
	if _, err := s.db.ExecContext(t.Context(), `UPDATE goose_db_version SET version_id = 99 WHERE version_id = 1`); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), place, Options{}); err == nil || !strings.Contains(err.Error(), "newer program") {
		t.Errorf("a store of a newer program: %v", err)
	}
}

// Many writers count up one object: with versions, no step is lost.
func testConcurrent(t *testing.T, place string) {
	s := open(t, place)
	x := Object{Kind: "counter", Name: "n", Body: json.RawMessage(`0`)}
	change(t, s, func(tx *Tx) error { return tx.AddObject(&x, nil) })
	const writers, steps = 4, 5
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for done := 0; done < steps; {
				err := s.Change(t.Context(), tester, func(tx *Tx) error {
					o, err := tx.Object("counter", "", x.ID)
					if err != nil {
						return err
					}
					var n int
					if err := json.Unmarshal(o.Body, &n); err != nil {
						return err
					}
					o.Body = json.RawMessage(fmt.Sprint(n + 1))
					return tx.PutObject(&o, nil, nil)
				})
				switch {
				case err == nil:
					done++
				case !errors.Is(err, ErrConflict):
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	got := read(t, s, func(tx *Tx) (Object, error) { return tx.Object("counter", "", x.ID) })
	if string(got.Body) != fmt.Sprint(writers*steps) {
		t.Errorf("counted to %s of %d", got.Body, writers*steps)
	}
}

// A connection that is lost within a change loses nothing that was there, answers
// an error, and the next change works.
func TestLostConnection(t *testing.T) {
	s := open(t, postgres(t))
	z := addZone(t, s, "shop.example")
	err := s.Change(t.Context(), tester, func(tx *Tx) error {
		if err := tx.AddRecord(&Record{Zone: z.ID, Type: "A", Name: "shop.example", Content: "192.0.2.1", TTL: 1}); err != nil {
			return err
		}
		if out, err := psql("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'"); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		return nil
	})
	if err == nil {
		t.Fatal("a change over a lost connection is said to be kept")
	}
	if n := len(read(t, s, func(tx *Tx) ([]Record, error) { return tx.Records(z.ID) })); n != 0 {
		t.Errorf("%d records of a change that failed", n)
	}
	addZone(t, s, "after.example")
}

func TestSQLiteFileIsForItsOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "store.db")
	addZone(t, open(t, path), "shop.example")
	for _, p := range []string{path, path + "-wal"} {
		if info, err := os.Stat(p); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", p, info, err)
		}
	}
}

func TestOpenFails(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, place := range []string{text, dir, "postgres://u:secret@127.0.0.1:1/x?connect_timeout=2"} {
		_, err := Open(t.Context(), place, Options{})
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", Redact(place), err)
		}
	}
	if got := Redact("postgres://u:secret@db/x?password=secret"); strings.Contains(got, "secret") {
		t.Error(got)
	}
}
