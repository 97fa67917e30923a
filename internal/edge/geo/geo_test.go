package geo

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/originward/originward/internal/edge/geo/geotest"
)

func TestPlace(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, entries map[string]map[string]any) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, geotest.Database(entries), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	country := write("city.mmdb", map[string]map[string]any{
		"192.0.2.0/24": {
			"country":   map[string]any{"iso_code": "DE", "is_in_european_union": true},
			"continent": map[string]any{"code": "EU"}, "city": map[string]any{"names": map[string]any{"en": "Jena"}},
		},
		"2001:db8::/32": {"country": map[string]any{"iso_code": "JP"}},
	})
	asn := write("asn.mmdb", map[string]map[string]any{"192.0.2.0/25": {"autonomous_system_number": uint32(64496)}})
	d, err := Open(country, asn)
	if err != nil {
		t.Fatal(err)
	}
	p := d.Place(netip.MustParseAddr("192.0.2.7"))
	if p == nil || p.Country != "DE" || !p.EU || p.Continent != "EU" || p.City != "Jena" || p.ASN != 64496 {
		t.Errorf("192.0.2.7: %+v", p)
	}
	if p := d.Place(netip.MustParseAddr("192.0.2.200")); p == nil || p.Country != "DE" || p.ASN != 0 {
		t.Errorf("192.0.2.200: %+v", p)
	}
	if p := d.Place(netip.MustParseAddr("2001:db8::1")); p == nil || p.Country != "JP" {
		t.Errorf("2001:db8::1: %+v", p)
	}
	if p := d.Place(netip.MustParseAddr("198.51.100.1")); p != nil {
		t.Errorf("198.51.100.1: %+v", p)
	}
	if p := (*DB)(nil).Place(netip.MustParseAddr("192.0.2.1")); p != nil {
		t.Errorf("no database: %+v", p)
	}
	if _, err := Open(filepath.Join(dir, "absent"), ""); err == nil {
		t.Error("a file that is not there is opened")
	}
}
