package logfile

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
)

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestLines(t *testing.T) {
	var l Lines
	l.Add([]byte("nowhere\n"))
	var first, second bytes.Buffer
	l.Redirect(&first)
	l.Add([]byte("a\n"))
	if first.Len() != 0 {
		t.Error("a short line is written at once")
	}
	l.Redirect(&second)
	l.Add([]byte("b\n"))
	if err := l.Flush(); err != nil || first.String() != "a\n" || second.String() != "b\n" {
		t.Errorf("%v: first %q, second %q", err, &first, &second)
	}
	l.Add([]byte(strings.Repeat("x", gather)))
	if second.Len() != 2+gather {
		t.Error("many bytes wait for a flush")
	}
	full := l.Full()
	l.Add([]byte(strings.Repeat("y", gather)))
	select {
	case <-full:
	default:
		t.Error("nobody is told that there is much to write")
	}
	if second.Len() != 2+gather {
		t.Error("who adds a line writes, although somebody else looks after that")
	}
	l.Add([]byte(strings.Repeat("z", most)))
	if second.Len() != 2+2*gather+most {
		t.Error("more than may wait is not written")
	}
	l.Redirect(broken{})
	l.Add([]byte("c\n"))
	if err := l.Flush(); err == nil {
		t.Error("a failure is not told")
	}
	if err := l.Flush(); err != nil {
		t.Errorf("a failure is told twice: %v", err)
	}
}

// Lines of many, written beside each other, stay whole and in each one's order.
func TestLinesConcurrent(t *testing.T) {
	var l Lines
	var out bytes.Buffer
	l.Redirect(&out)
	full := l.Full()
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-full:
				l.Write()
			case <-end:
				return
			}
		}
	}()
	const each = 20_000
	var wg sync.WaitGroup
	for who := range 4 {
		wg.Go(func() {
			for i := range each {
				l.Add(fmt.Appendf(nil, "%d %d\n", who, i))
			}
		})
	}
	wg.Wait()
	close(end)
	<-ended
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	var next [4]int
	for _, line := range strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n") {
		var who, i int
		if _, err := fmt.Sscanf(line, "%d %d", &who, &i); err != nil || next[who] != i {
			t.Fatalf("line %q, %d's next is %d: %v", line, who, next[who], err)
		}
		next[who]++
	}
	if next != [4]int{each, each, each, each} {
		t.Errorf("lines of each: %v", next)
	}
}
