package edge

import (
	"sync/atomic"
	"time"
)

// dateLine is the current Date field, made once a second.
type dateLine struct {
	text atomic.Pointer[dateText]
}

type dateText struct {
	second int64
	line   []byte // "Date: …\r\n"
}

// httpDate is the form of Date (RFC 9110 section 5.6.7).
const httpDate = "Mon, 02 Jan 2006 15:04:05 GMT"

func (d *dateLine) at(now time.Time) []byte {
	t := d.text.Load()
	if t == nil || t.second != now.Unix() {
		t = &dateText{second: now.Unix(), line: []byte("Date: " + now.UTC().Format(httpDate) + "\r\n")}
		d.text.Store(t)
	}
	return t.line
}
