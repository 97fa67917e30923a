package edgeapi

import (
	"fmt"
	"strings"
	"testing"

	"github.com/originward/originward/internal/store"
)

// BenchmarkLargeZone is one change of a zone of 10,000 records, until it is in force
// at the edge.
func BenchmarkLargeZone(b *testing.B) {
	k := startKept(b)
	zone := strings.TrimPrefix(k.zone("big.example"), "/zones/")
	var one store.Record
	if err := k.store.Change(b.Context(), store.Actor{}, func(t *store.Tx) error {
		for i := range 10_000 {
			one = store.Record{Zone: zone, Type: "A", Name: fmt.Sprintf("n%d.big.example", i), Content: "192.0.2.1", TTL: 1, Proxied: true}
			if err := t.AddRecord(&one); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := k.store.Change(b.Context(), store.Actor{}, func(t *store.Tx) error { return t.PutRecord(&one) }); err != nil {
			b.Fatal(err)
		}
	}
}
