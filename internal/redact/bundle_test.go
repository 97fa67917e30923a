package redact

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// canaries are planted in every text of every fact; none may come through.
var canaries = []string{
	"Cookie: sid=CANARYcookie", "Authorization: Bearer CANARYbearer9", "https://ann:CANARYpass@shop.example/",
	"/cart?session=CANARYquery", "password=CANARYword", "eyJhbGciOiJIUzI1NiJ9.CANARYjwt.x", "CANARYmail@example.net",
	"-----BEGIN PRIVATE KEY-----\nCANARYkey", "client 81.187.13.77 asked", "/home/CANARYuser/www",
	`{"api_key": "CANARYjson"}`, "9CANARYx7Qm2Zp0Lk8Wv3R",
}

const canary = "CANARY"

// plant fills every text that can be reached in a fact, maps and lists
// included, with all canaries.
func plant(v reflect.Value, depth int) {
	if depth > 8 {
		return
	}
	all := strings.Join(canaries, " \n")
	switch v.Interface().(type) {
	case netip.Addr:
		v.Set(reflect.ValueOf(netip.MustParseAddr("81.187.13.77")))
		return
	case netip.Prefix:
		v.Set(reflect.ValueOf(netip.MustParsePrefix("81.187.13.77/32")))
		return
	case netip.AddrPort:
		v.Set(reflect.ValueOf(netip.MustParseAddrPort("81.187.13.77:443")))
		return
	case time.Time:
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(all)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		plant(v.Elem(), depth+1)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				plant(v.Field(i), depth+1)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		plant(v.Index(0), depth+1)
	case reflect.Map:
		k, e := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		plant(k, depth+1)
		plant(e, depth+1)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(k, e)
	}
}

// everyFact is a bundle with one item of every question, all canaries in every
// text of it.
func everyFact(t *testing.T) *originward.Bundle {
	t.Helper()
	b := &originward.Bundle{Schema: originward.EvidenceSchema, Host: "shop.example"}
	all := strings.Join(canaries, " ")
	for i, q := range fact.Questions() {
		e := originward.Evidence{ID: fmt.Sprint("e", i), Vantage: originward.Host, Question: q, Text: all, Reproduce: all, Fact: originward.RawFact{Q: q, JSON: json.RawMessage("{}")}}
		if err := fact.Type(&e); err != nil {
			t.Fatal(err)
		}
		v := reflect.New(reflect.TypeOf(e.Fact)).Elem()
		plant(v, 0)
		for _, own := range []string{"Public", "A", "AAAA"} { // the origin's own addresses, which are kept
			if f := v.FieldByName(own); f.IsValid() && (q == fact.QAddresses || q == fact.QDNS) {
				f.SetZero()
			}
		}
		e.Fact = v.Interface().(originward.Fact)
		b.Evidence = append(b.Evidence, e)
	}
	b.NotObserved = []originward.NotObserved{{Vantage: originward.CDN, Why: all, How: all}}
	return b
}

func TestCanaries(t *testing.T) {
	b := everyFact(t)
	before, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(before, []byte(canary)); n < 1000 {
		t.Fatalf("only %d canaries are planted: the planting is broken", n)
	}
	r := ForBundle(redactor(t, Options{}).m, b, false)
	out, err := r.Bundle(b)
	if err != nil {
		t.Fatal(err)
	}
	after, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{canary, "81.187.13"} {
		if i := bytes.Index(after, []byte(bad)); i >= 0 {
			t.Errorf("%s comes through: …%s…", bad, after[max(0, i-200):min(len(after), i+100)])
		}
	}
	if len(out.Evidence) != len(b.Evidence) {
		t.Errorf("%d items became %d", len(b.Evidence), len(out.Evidence))
	}
	if !slices.ContainsFunc(r.Listing(), func(x Replaced) bool { return x.Kind == Secret && x.Count > 100 }) {
		t.Errorf("the listing is %v", r.Listing())
	}
}
