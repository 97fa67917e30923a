package logs

import (
	"bytes"
	"io"
	"os"
	"time"
)

// Bounds of reading. A search looks at some forty places of a file, whatever
// its size; of the window itself the newest part is read.
const (
	probe     = 64 << 10 // bytes looked at for a line with a time
	maxWindow = 8 << 20  // bytes read of one file's window
	maxLine   = 16 << 10 // longer lines are cut
)

// lateness is how far the lines of a log may stand out of order: access logs
// are written when a request ends and may carry its beginning.
const lateness = 10 * time.Minute

// reader is a file that is searched by time.
type reader struct {
	f     io.ReaderAt
	size  int64
	clock clock
	shift time.Duration // added to times that name no zone
}

// openReader looks at a log and settles the zone of its times: where its last
// line lies a whole number of quarter hours away from the moment at which the
// file was last written, the times are written in another zone than loc.
func openReader(f *os.File, c clock) (*reader, error) {
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	r := &reader{f: f, size: fi.Size(), clock: c}
	if last, ok := r.last(); ok && !last.zoned {
		off := fi.ModTime().Sub(last.t)
		quarters := off.Round(15 * time.Minute)
		if quarters != 0 && quarters.Abs() <= 14*time.Hour && (off-quarters).Abs() <= 2*time.Second {
			r.shift = quarters
		}
	}
	return r, nil
}

// time is the time of a line, in the log's own zone.
func (r *reader) time(line []byte) (time.Time, bool) {
	s, ok := r.clock.stamp(line)
	if !ok {
		return time.Time{}, false
	}
	if !s.zoned {
		s.t = s.t.Add(r.shift)
	}
	return s.t, true
}

// last is the time of the last line that has one.
func (r *reader) last() (stamp, bool) {
	from := max(0, r.size-probe)
	b := r.bytes(from, r.size)
	for len(b) > 0 {
		b = bytes.TrimRight(b, "\n")
		i := bytes.LastIndexByte(b, '\n')
		if s, ok := r.clock.stamp(b[i+1:]); ok {
			return s, true
		}
		if i < 0 {
			break
		}
		b = b[:i]
	}
	return stamp{}, false
}

func (r *reader) bytes(from, to int64) []byte {
	if from >= to {
		return nil
	}
	b := make([]byte, to-from)
	n, _ := r.f.ReadAt(b, from)
	return b[:n]
}

// at is the time of the first line with a time that begins at or after off.
func (r *reader) at(off int64) (time.Time, bool) {
	b := r.bytes(off, min(r.size, off+probe))
	if off > 0 { // off is inside a line
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			return time.Time{}, false
		}
		b = b[i+1:]
	}
	for len(b) > 0 {
		line := b
		i := bytes.IndexByte(b, '\n')
		if i >= 0 {
			line, b = b[:i], b[i+1:]
		} else {
			b = nil
		}
		if t, ok := r.time(line); ok {
			return t, true
		}
	}
	return time.Time{}, false
}

// search gives an offset before which every line is older than t, as far as
// the lines stand in order. A stretch without any time (the hole that a
// truncated log leaves) counts as older: what is wanted stands behind it.
func (r *reader) search(t time.Time) int64 {
	lo, hi := int64(0), r.size
	for hi-lo > probe/4 {
		mid := lo + (hi-lo)/2
		if at, ok := r.at(mid); ok && !at.Before(t) {
			hi = mid
		} else {
			lo = mid
		}
	}
	return lo
}

// window is the part of a file that can hold lines of [from, to], cut to the
// newest maxWindow bytes.
func (r *reader) window(from, to time.Time) (start, end int64, cut bool) {
	start = r.search(from.Add(-lateness))
	end = min(r.size, r.search(to.Add(lateness))+2*probe)
	if end-start > maxWindow {
		start, cut = end-maxWindow, true
	}
	return start, end, cut
}

// lines visits every line of a stretch with its time; a line without one has
// that of the line before. The first, cut line of a stretch is left out. It
// ends early when visit says so.
func (r *reader) lines(start, end int64, visit func(t time.Time, line []byte) bool) {
	var t time.Time
	sr := io.NewSectionReader(r.f, start, end-start)
	skip := start > 0
	buf := make([]byte, 0, 256<<10)
	for {
		n, err := sr.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		for {
			i := bytes.IndexByte(buf, '\n')
			if i < 0 {
				break
			}
			if !skip && !r.one(buf[:i], &t, visit) {
				return
			}
			skip = false
			buf = buf[i+1:]
		}
		if err != nil {
			if len(buf) > 0 && !skip {
				r.one(buf, &t, visit)
			}
			return
		}
		rest := buf
		if len(rest) > maxLine { // an endless line: keep its beginning only
			if !skip && !r.one(rest[:maxLine], &t, visit) {
				return
			}
			rest, skip = rest[:0], true
		}
		buf = append(make([]byte, 0, 256<<10), rest...)
	}
}

func (r *reader) one(line []byte, t *time.Time, visit func(time.Time, []byte) bool) bool {
	if len(line) > maxLine {
		line = line[:maxLine]
	}
	if at, ok := r.time(line); ok {
		*t = at
	}
	return t.IsZero() || visit(*t, line)
}
