package handover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// The test program is its own successor: with HANDOVER_ROLE set it listens, says
// that it is ready, answers one connection and ends.
func TestMain(m *testing.M) {
	switch os.Getenv("HANDOVER_ROLE") {
	case "serve":
		s := Process()
		l, inherited, err := s.Listen(context.Background(), &net.ListenConfig{}, os.Getenv("HANDOVER_ADDR"))
		if err != nil || !inherited {
			fmt.Fprintln(os.Stderr, "successor:", inherited, err)
			os.Exit(1)
		}
		s.Ready()
		c, err := l.Accept()
		if err == nil {
			fmt.Fprint(c, "successor "+string(s.Kept("word")))
			c.Close()
		}
		os.Exit(0)
	case "fail":
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// A connection that is made before the successor exists is answered by it.
func TestStart(t *testing.T) {
	var s Set
	l, inherited, err := s.Listen(t.Context(), &net.ListenConfig{}, "127.0.0.1:0")
	if err != nil || inherited {
		t.Fatal(inherited, err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s.Keep("word", func() ([]byte, error) { return []byte("of old"), nil })
	t.Setenv("HANDOVER_ROLE", "serve")
	t.Setenv("HANDOVER_ADDR", l.Addr().String())
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.Close()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	b, err := io.ReadAll(c)
	if err != nil || string(b) != "successor of old" {
		t.Errorf("got %q: %v", b, err)
	}
}

// A successor that fails changes nothing.
func TestStartFails(t *testing.T) {
	var s Set
	t.Setenv("HANDOVER_ROLE", "fail")
	if err := s.Start(t.Context()); !errors.Is(err, errNotReady) {
		t.Errorf("got %v", err)
	}
}

func TestSame(t *testing.T) {
	for _, c := range []struct {
		asked, is string
		want      bool
	}{
		{":80", "[::]:80", true},
		{"0.0.0.0:80", "0.0.0.0:80", true},
		{"0.0.0.0:80", "[::]:80", false},
		{"127.0.0.1:80", "127.0.0.1:81", false},
		{"[::1]:443", "[::1]:443", true},
		{"127.0.0.1:80", "127.0.0.2:80", false},
		{"nonsense", "127.0.0.2:80", false},
	} {
		if got := same(c.asked, c.is); got != c.want {
			t.Errorf("%s, %s: %v", c.asked, c.is, got)
		}
	}
}

// Sockets of a service manager count only when they were meant for this process.
func TestInherit(t *testing.T) {
	env := map[string]string{"LISTEN_PID": "1", "LISTEN_FDS": "1"}
	s := inherit(func(k string) string { return env[k] }, 2)
	if len(s.given) != 0 {
		t.Errorf("took %d sockets that were another's", len(s.given))
	}
	if os.Getenv(envCount) != "" || strings.Contains(strings.Join(os.Environ(), " "), envReady) {
		t.Error("the environment was not cleared")
	}
}

// What is too large to hand over keeps the successor from being started: it would
// serve without.
func TestKeepTooMuch(t *testing.T) {
	var s Set
	s.Keep("much", func() ([]byte, error) { return make([]byte, maxKept), nil })
	t.Setenv("HANDOVER_ROLE", "serve")
	if err := s.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("got %v", err)
	}
}
