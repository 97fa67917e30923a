package edge

import (
	"encoding/hex"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/originward/originward/internal/edge/logfile"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/exchange"
)

// accessLog writes one JSON line per request, in slog's shape.
type accessLog struct {
	off   atomic.Bool
	lines logfile.Lines
}

// logEvery is how long lines are gathered at the most.
const logEvery = 500 * time.Millisecond

var logLines = sync.Pool{New: func() any { return new([]byte) }}

// redirect changes where lines go; nil = nowhere.
func (l *accessLog) redirect(w io.Writer) {
	l.lines.Redirect(w)
	l.off.Store(w == nil)
}

// on tells whether lines are written.
func (l *accessLog) on() bool { return !l.off.Load() }

// write adds the line of a visit.
func (l *accessLog) write(v *visit, took time.Duration) {
	p := logLines.Get().(*[]byte)
	*p = v.appendLog((*p)[:0], took)
	l.lines.Add(*p)
	logLines.Put(p)
}

// flush writes what has been gathered; it returns the first failure once.
func (l *accessLog) flush() error { return l.lines.Flush() }

// logText bounds foreign text in a line.
const logText = 1024

// appendLog appends the line.
func (v *visit) appendLog(b []byte, took time.Duration) []byte {
	b = append(b, `{"time":"`...)
	b = v.began.UTC().AppendFormat(b, "2006-01-02T15:04:05.000000Z07:00")
	level := "INFO"
	if v.fault != nil || v.cut {
		level = "WARN"
	}
	b = append(b, `","level":"`...)
	b = append(b, level...)
	b = append(b, `","msg":"request","ray":"`...)
	b = append(b, v.rayID[:]...)
	b = append(b, '"')
	b = logField(b, "client", v.shownClient())
	b = logField(b, "method", v.method)
	b = logField(b, "scheme", v.conn.scheme())
	b = logBytes(b, "host", v.authority)
	b = logBytes(b, "target", v.shownTarget())
	b = logField(b, "proto", v.proto.String())
	if v.head != nil {
		b = logBytes(b, "user_agent", v.head.Get("User-Agent"))
	}
	b = logInt(b, "status", int64(v.status))
	b = logInt(b, "bytes_in", v.upload.read)
	b = logInt(b, "bytes_out", v.sent)
	b = logMillis(b, "ms", took)
	if v.span.Sampled {
		b = hex.AppendEncode(append(b, `,"trace":"`...), v.span.Trace[:])
		b = append(b, '"')
	}
	b = v.appendLogOrigin(b)
	b = v.appendLogFault(b)
	return append(b, "}\n"...)
}

func (v *visit) appendLogOrigin(b []byte) []byte {
	if v.origin.IsValid() {
		b = append(b, `,"origin":"`...)
		b = v.origin.AppendTo(b)
		b = append(b, '"')
	}
	if v.egress.IsValid() {
		b = append(b, `,"egress":"`...)
		b = v.egress.AppendTo(b)
		b = append(b, '"')
	}
	b = logField(b, "origin_name", v.name)
	b = logField(b, "pool", v.pool)
	b = logField(b, "origin_scheme", v.plan.Scheme)
	b = logFlag(b, "reused", v.reused)
	b = logFlag(b, "retried", v.retried)
	first := true
	for s := exchange.StepResolve; s <= exchange.StepBody; s++ {
		if !v.trace.Begun(s) {
			continue
		}
		if first {
			b = append(b, `,"phases":{`...)
		} else {
			b = append(b, ',')
		}
		first = false
		d, _ := v.trace.Took(s)
		b = append(b, '"')
		b = append(b, s.Phase()...)
		b = append(b, `":`...)
		b = appendMillis(b, d)
	}
	if !first {
		b = append(b, '}')
	}
	return b
}

func (v *visit) appendLogFault(b []byte) []byte {
	if v.errCode != 0 {
		b = logInt(b, "error", int64(v.errCode))
	}
	if v.fault != nil {
		b = logField(b, "fault", string(v.fault.Type))
		b = logField(b, "phase", string(v.fault.Phase))
		if v.fault.Err != nil {
			b = logField(b, "detail", v.fault.Err.Error())
		}
		if x := v.faultAs; x != nil {
			b = logField(b, "errno", x.Errno)
			b = logField(b, "kind", x.Kind)
		}
	}
	if d := v.cause(); d != nil {
		b = logField(b, "diagnosis", d.ID)
		if len(d.Causes) > 0 {
			b = logField(b, "cause", string(d.Causes[0]))
			b = logField(b, "standing", string(d.Standing))
		}
	}
	if v.left != "" {
		b = logField(b, "phase", string(v.left))
		b = logField(b, "detail", leftText(v.left, v.trace))
		b = logFlag(b, "left", true)
	}
	b = logField(b, "rule", v.ruleID)
	for i, id := range v.logged {
		if i == 0 {
			b = append(b, `,"rules_logged":[`...)
		} else {
			b = append(b, ',')
		}
		b = appendJSON(b, id)
	}
	if len(v.logged) > 0 {
		b = append(b, ']')
	}
	return logFlag(b, "cut", v.cut)
}

func logKey(b []byte, key string) []byte {
	b = append(b, `,"`...)
	b = append(b, key...)
	return append(b, `":`...)
}

// logField adds a text, left out when empty.
func logField(b []byte, key, val string) []byte {
	if val == "" {
		return b
	}
	return appendJSON(logKey(b, key), val)
}

func logBytes(b []byte, key string, val []byte) []byte {
	if len(val) == 0 {
		return b
	}
	return appendJSON(logKey(b, key), val)
}

func logInt(b []byte, key string, n int64) []byte { return strconv.AppendInt(logKey(b, key), n, 10) }

func logFlag(b []byte, key string, on bool) []byte {
	if !on {
		return b
	}
	return append(logKey(b, key), "true"...)
}

func logMillis(b []byte, key string, d time.Duration) []byte { return appendMillis(logKey(b, key), d) }

// appendMillis appends milliseconds with three decimals.
func appendMillis(b []byte, d time.Duration) []byte {
	us := max(d.Microseconds(), 0)
	b = strconv.AppendInt(b, us/1000, 10)
	r := us % 1000
	return append(b, '.', byte('0'+r/100), byte('0'+r/10%10), byte('0'+r%10))
}

// appendJSON appends a JSON string. What is not valid UTF-8, and what could move a
// terminal's cursor, is escaped; long text is cut.
func appendJSON[T string | []byte](b []byte, s T) []byte {
	b = append(b, '"')
	cut := len(s) > logText
	if cut {
		s = s[:logText]
	}
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < 0x20 || c == 0x7f:
			b = append(b, `\u00`...)
			b = append(b, "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
		case c < utf8.RuneSelf:
			b = append(b, c)
		default:
			r, n := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
			if r == utf8.RuneError || !escape.Printable(r) {
				b = append(b, `\ufffd`...)
			} else {
				b = utf8.AppendRune(b, r)
			}
			i += n
			continue
		}
		i++
	}
	if cut {
		b = append(b, "…"...)
	}
	return append(b, '"')
}
