// Package geo tells where an address belongs, from databases in MaxMind's format:
// GeoLite2 and GeoIP2 Country, City and ASN, and others of the same shape.
package geo

import (
	"fmt"
	"net/netip"
	"os"
	"strconv"

	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/originward/originward/internal/edge/rules"
)

// DB is a pair of databases. It is safe for concurrent use.
type DB struct {
	country, asn *maxminddb.Reader
}

// Open reads the databases; an empty path leaves one out. Files are read whole, so
// they may be replaced while the edge runs.
func Open(country, asn string) (*DB, error) {
	d := &DB{}
	var err error
	if country != "" {
		if d.country, err = open(country); err != nil {
			return nil, err
		}
	}
	if asn != "" {
		if d.asn, err = open(asn); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func open(path string) (*maxminddb.Reader, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("database of addresses: %w", err)
	}
	r, err := maxminddb.OpenBytes(raw)
	if err != nil {
		return nil, fmt.Errorf("database of addresses %s: %w", path, err)
	}
	return r, nil
}

// names are a place's names by language.
type names struct {
	English string `maxminddb:"en"`
}

// record is what is read of a country's or city's entry.
type record struct {
	Country struct {
		Code string `maxminddb:"iso_code"`
		EU   bool   `maxminddb:"is_in_european_union"`
	} `maxminddb:"country"`
	Continent struct {
		Code string `maxminddb:"code"`
	} `maxminddb:"continent"`
	City struct {
		Names names `maxminddb:"names"`
	} `maxminddb:"city"`
	Postal struct {
		Code string `maxminddb:"code"`
	} `maxminddb:"postal"`
	Location struct {
		Latitude  *float64 `maxminddb:"latitude"`
		Longitude *float64 `maxminddb:"longitude"`
		TimeZone  string   `maxminddb:"time_zone"`
	} `maxminddb:"location"`
	Subdivisions []struct {
		Code  string `maxminddb:"iso_code"`
		Names names  `maxminddb:"names"`
	} `maxminddb:"subdivisions"`
}

type network struct {
	Number uint32 `maxminddb:"autonomous_system_number"`
	Name   string `maxminddb:"autonomous_system_organization"`
}

// Place is what the databases know of an address; nil when they know nothing.
func (d *DB) Place(a netip.Addr) *rules.Place {
	if d == nil || !a.IsValid() {
		return nil
	}
	var p rules.Place
	known := false
	if d.country != nil {
		var r record
		if res := d.country.Lookup(a); res.Found() && res.Decode(&r) == nil {
			known = true
			r.fill(&p)
		}
	}
	if d.asn != nil {
		var n network
		if res := d.asn.Lookup(a); res.Found() && res.Decode(&n) == nil {
			known = true
			p.ASN, p.ASNName = n.Number, n.Name
		}
	}
	if !known {
		return nil
	}
	return &p
}

func (r *record) fill(p *rules.Place) {
	p.Country, p.EU, p.Continent = r.Country.Code, r.Country.EU, r.Continent.Code
	p.City, p.PostalCode, p.TimeZone = r.City.Names.English, r.Postal.Code, r.Location.TimeZone
	p.Latitude, p.Longitude = degrees(r.Location.Latitude), degrees(r.Location.Longitude)
	if len(r.Subdivisions) > 0 {
		s := r.Subdivisions[0]
		p.Region, p.RegionCode = s.Names.English, s.Code
		if p.Country != "" && s.Code != "" {
			p.Subdivision = p.Country + "-" + s.Code
		}
	}
}

// degrees has five decimals, as the field ip.src.lat; empty when unknown.
func degrees(f *float64) string {
	if f == nil {
		return ""
	}
	return strconv.FormatFloat(*f, 'f', 5, 64)
}
