package traffic

import (
	"fmt"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func sum(rows []Row) (n, bytes int64) {
	for _, r := range rows {
		n, bytes = n+r.Count, bytes+r.Bytes
	}
	return n, bytes
}

func TestCountsByKindAndMinute(t *testing.T) {
	var c Counter
	good, bad := Kind{Zone: "a", Host: "www.a", Edge: 200, Origin: 200}, Kind{Zone: "a", Host: "www.a", Edge: 522}
	for i := range 90 { // a minute and a half
		c.Add(noon.Add(time.Duration(i)*time.Second), good, 10)
	}
	c.Add(noon.Add(30*time.Second), bad, 1) // began before, ended late
	c.Add(noon, Kind{Zone: "b", Edge: 200}, 1)
	if n, b := sum(c.Rows("a", time.Time{}, time.Time{})); n != 91 || b != 901 {
		t.Errorf("%d answers, %d bytes", n, b)
	}
	if n, _ := sum(c.Rows("a", noon.Add(time.Minute), time.Time{})); n != 30 {
		t.Errorf("%d in the second minute", n)
	}
	rows := c.Rows("a", time.Time{}, noon.Add(time.Minute))
	if n, _ := sum(rows); n != 61 || len(rows) != 2 || !rows[0].At.Equal(noon) {
		t.Errorf("first minute: %+v", rows)
	}
}

func TestBounds(t *testing.T) {
	var c Counter
	for i := range 3 * maxKinds {
		c.Add(noon, Kind{Zone: "a", Host: fmt.Sprint(i), Edge: 200 + i%5}, 1)
	}
	rows := c.Rows("a", time.Time{}, time.Time{})
	if n, _ := sum(rows); n != 3*maxKinds || len(rows) > maxKinds+5 {
		t.Errorf("%d answers in %d rows", n, len(rows))
	}
	for m := range 2 * maxTotal / maxKinds {
		for i := range maxKinds {
			c.Add(noon.Add(time.Duration(m)*time.Minute), Kind{Zone: "a", Host: fmt.Sprint(i)}, 1)
		}
	}
	if c.total > maxTotal+maxKinds {
		t.Errorf("%d rows are kept", c.total)
	}
	c.Add(noon.Add(100*time.Hour), Kind{Zone: "a"}, 1)
	if n, _ := sum(c.Rows("a", time.Time{}, time.Time{})); n != 1 || c.total != 1 {
		t.Errorf("%d answers, %d rows after four days", n, c.total)
	}
}

func BenchmarkAdd(b *testing.B) {
	var c Counter
	k := Kind{Zone: "shop.example", Host: "www.shop.example", Edge: 200, Origin: 200, Country: "DE", Cache: "DYNAMIC"}
	b.ReportAllocs()
	for b.Loop() {
		c.Add(noon, k, 1000)
	}
}
