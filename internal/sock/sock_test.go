package sock

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// pair is two ends of a connection over loopback.
func pair(t testing.TB) (a, b *Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	d, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); d.Close() })
	if a, err = New(c.(*net.TCPConn)); err != nil {
		t.Fatal(err)
	}
	if b, err = New(d.(*net.TCPConn)); err != nil {
		t.Fatal(err)
	}
	return a, b
}

// What is written arrives, also when it is more than the kernel takes at once; the
// end comes as io.EOF.
func TestTransfer(t *testing.T) {
	a, b := pair(t)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	go func() {
		if n, err := a.Write(sent); n != len(sent) || err != nil {
			t.Errorf("wrote %d: %v", n, err)
		}
		a.CloseWrite()
	}()
	got, err := io.ReadAll(b)
	if err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("got %d bytes: %v", len(got), err)
	}
}

// Two parts arrive one behind the other, wherever the kernel stopped taking them.
func TestWriteBoth(t *testing.T) {
	for _, sizes := range [][2]int{{0, 0}, {3, 0}, {0, 5}, {200, 100 << 10}, {8 << 20, 8 << 20}} {
		a, b := pair(t)
		p, more := bytes.Repeat([]byte("p"), sizes[0]), bytes.Repeat([]byte("m"), sizes[1])
		go func() {
			if n, err := a.WriteBoth(p, more); n != len(p)+len(more) || err != nil {
				t.Errorf("wrote %d: %v", n, err)
			}
			a.CloseWrite()
		}()
		got, err := io.ReadAll(b)
		if err != nil || !bytes.Equal(got, append(p, more...)) {
			t.Fatalf("%v: got %d bytes: %v", sizes, len(got), err)
		}
	}
}

func TestDeadlines(t *testing.T) {
	a, _ := pair(t)
	_ = a.SetDeadline(time.Now().Add(20 * time.Millisecond))
	if _, err := a.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read: %v", err)
	}
	big := make([]byte, 64<<20)
	if n, err := a.Write(big); !errors.Is(err, os.ErrDeadlineExceeded) || n >= len(big) {
		t.Errorf("wrote %d: %v", n, err)
	}
	a.Close()
	if _, err := a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read from a closed connection: %v", err)
	}
}

// The kernel's own word survives.
func TestErrors(t *testing.T) {
	a, b := pair(t)
	_ = b.SetLinger(0)
	b.Close()
	if _, err := a.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read after a reset: %v", err)
	}
	if _, err := a.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("write after a reset: %v", err)
	}
}

func TestNoAllocation(t *testing.T) {
	a, b := pair(t)
	p := make([]byte, 100)
	if n := testing.AllocsPerRun(100, func() {
		a.Write(p) //nolint:errcheck // the read tells
		if _, err := b.Read(p); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestReadFresh(t *testing.T) {
	a, b := pair(t)
	pool := NewPool(64)
	if p, n, err := b.ReadNow(pool); p != nil || n != 0 || err != nil {
		t.Errorf("read %d bytes of nothing: %v", n, err)
	}
	got := make(chan string)
	go func() {
		p, n, err := b.ReadFresh(pool)
		if err != nil {
			t.Error(err)
		} else {
			got <- string((*p)[:n])
		}
		_, _, err = b.ReadFresh(pool)
		if !errors.Is(err, io.EOF) {
			t.Errorf("at the end: %v", err)
		}
		close(got)
	}()
	if _, err := a.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if s := <-got; s != "hello" {
		t.Errorf("got %q", s)
	}
	a.Close()
	<-got
	if p, n, err := b.ReadNow(pool); p != nil || n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("read %d bytes behind the end: %v", n, err)
	}
}
