package edgedns

import (
	"fmt"
	"testing"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/config"
)

// BenchmarkLargeZone builds a zone of 10,000 records, as each change of it does.
func BenchmarkLargeZone(b *testing.B) {
	z := config.Zone{Zone: originward.Zone{Name: "big.example"}}
	for i := range 10_000 {
		z.Records = append(z.Records, originward.Record{Type: "A", Name: fmt.Sprintf("n%d.big.example", i), Content: "192.0.2.1", Proxied: true})
	}
	b.ReportAllocs()
	for b.Loop() {
		newZone(&z, config.DNS{}, nil, time.Now)
	}
}
