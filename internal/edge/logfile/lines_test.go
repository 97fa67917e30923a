package logfile

import (
	"bytes"
	"errors"
	"strings"
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
	l.Redirect(broken{})
	l.Add([]byte("c\n"))
	if err := l.Flush(); err == nil {
		t.Error("a failure is not told")
	}
	if err := l.Flush(); err != nil {
		t.Errorf("a failure is told twice: %v", err)
	}
}
