package store

import (
	"context"
	"crypto/rand"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
)

// How other processes on one store learn of changes: PostgreSQL tells them, a file is
// looked at.
const (
	channel    = "originward_changes"
	maxNotice  = 7000 // bytes; PostgreSQL takes 8,000
	lookEvery  = 100 * time.Millisecond
	retryEvery = time.Second
	keepLog    = 1000 // changes of a file
)

// notice is what is told of a change.
type notice struct {
	Writer string   `json:"w"`
	Zones  []string `json:"z,omitempty"`
	Global bool     `json:"g,omitempty"`
	All    bool     `json:"a,omitempty"`
}

func (n notice) changed() Changed { return Changed{Zones: n.Zones, Global: n.Global, All: n.All} }

// newWriter names this process among those on the store.
func newWriter() string { return rand.Text() }

// announce tells the other processes of a change, with its transaction.
func (t *Tx) announce() error {
	n := notice{Writer: t.store.writer, Zones: t.changed.Zones, Global: t.changed.Global}
	if t.store.postgres {
		b, err := json.Marshal(n)
		if err != nil {
			return err
		}
		if len(b) > maxNotice {
			if b, err = json.Marshal(notice{Writer: n.Writer, All: true}); err != nil {
				return err
			}
		}
		_, err = t.exec(`SELECT pg_notify(?, ?)`, channel, string(b))
		return err
	}
	zones, err := json.Marshal(n.Zones)
	if err != nil {
		return err
	}
	if _, err := t.exec(`INSERT INTO changes (writer, zones, elsewhere) VALUES (?, ?, ?)`, n.Writer, string(zones), flag(n.Global)); err != nil {
		return err
	}
	_, err = t.exec(`DELETE FROM changes WHERE seq <= (SELECT MAX(seq) FROM changes) - ?`, keepLog)
	return err
}

// Follow has those who serve told of the changes that other processes make in the
// same store, until ctx ends. problem is told when that is not possible for a while;
// when it is again, everything counts as changed.
func (s *Store) Follow(ctx context.Context, problem func(error)) {
	for ctx.Err() == nil {
		var err error
		if s.postgres {
			err = s.listen(ctx)
		} else {
			err = s.look(ctx)
		}
		if ctx.Err() != nil {
			return
		}
		problem(err)
		select {
		case <-ctx.Done():
		case <-time.After(retryEvery):
		}
	}
}

func (s *Store) tell(c Changed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.onCommit {
		f(c)
	}
}

// listen waits for what PostgreSQL tells, on a connection of its own.
func (s *Store) listen(ctx context.Context) error {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("store: changes of other processes are not heard: %w", err)
	}
	defer conn.Close()
	var lost error
	_ = conn.Raw(func(c any) error {
		pg := c.(*stdlib.Conn).Conn()
		if _, lost = pg.Exec(ctx, "LISTEN "+channel); lost != nil {
			return driver.ErrBadConn
		}
		s.tell(Changed{All: true}) // what was changed before anybody listened
		for {
			told, err := pg.WaitForNotification(ctx)
			if err != nil {
				lost = err
				return driver.ErrBadConn // this connection listens: it is not for others
			}
			var n notice
			if json.Unmarshal([]byte(told.Payload), &n) != nil {
				n = notice{All: true} // somebody else's words: look at everything
			}
			if n.Writer != s.writer {
				s.tell(n.changed())
			}
		}
	})
	return fmt.Errorf("store: changes of other processes are not heard: %w", lost)
}

// logged is a line of a file's changes.
type logged struct {
	seq int64
	notice
}

func scanLogged(r scanner) (x logged, err error) {
	var zones string
	var global int
	if err = r.Scan(&x.seq, &x.Writer, &zones, &global); err != nil {
		return x, err
	}
	x.Global = global != 0
	return x, json.Unmarshal([]byte(zones), &x.Zones)
}

// look looks at the file's changes again and again.
func (s *Store) look(ctx context.Context) error {
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
		if err := s.lookOnce(ctx); err != nil {
			return fmt.Errorf("store: changes of other processes are not seen: %w", err)
		}
	}
}

func (s *Store) lookOnce(ctx context.Context) error {
	var lines []logged
	seen := s.seen
	if err := s.View(ctx, func(t *Tx) (err error) {
		lines, err = list(t, scanLogged, `SELECT seq, writer, zones, elsewhere FROM changes WHERE seq > ? ORDER BY seq`, seen)
		return err
	}); err != nil {
		return err
	}
	for _, l := range lines {
		if l.seq != s.seen+1 {
			l.All = true // some were forgotten meanwhile
		}
		if s.seen = l.seq; l.Writer != s.writer || l.All {
			s.tell(l.changed())
		}
	}
	return nil
}

// lastChange is the newest change of a file.
func (s *Store) lastChange(ctx context.Context) (seq int64, err error) {
	err = s.View(ctx, func(t *Tx) error {
		seq, err = one(t, func(r scanner) (n int64, err error) { return n, r.Scan(&n) }, `SELECT COALESCE(MAX(seq), 0) FROM changes`)
		return err
	})
	return seq, err
}
