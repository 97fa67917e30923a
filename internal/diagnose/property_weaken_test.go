package diagnose

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// forget is a copy of a value in which one yes or no, the n-th of them, is not
// known any longer. It tells where that was; n counts down to 0.
func forget(v reflect.Value, path string, n *int) (reflect.Value, string) {
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	switch {
	case v.Type() == triType:
		if v.String() == "" {
			return c, ""
		}
		if *n--; *n >= 0 {
			return c, ""
		}
		c.SetString(string(fact.Unknown))
		return c, path
	case v.Kind() == reflect.Struct && v.Type().PkgPath() == reflect.TypeFor[fact.Tri]().PkgPath():
		for i := range v.NumField() {
			f, at := forget(v.Field(i), path+"."+v.Type().Field(i).Name, n)
			if at != "" {
				c.Field(i).Set(f)
				return c, at
			}
		}
	case v.Kind() == reflect.Slice && !v.IsNil():
		for i := range v.Len() {
			f, at := forget(v.Index(i), path+"[]", n)
			if at != "" {
				s := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
				reflect.Copy(s, v)
				s.Index(i).Set(f)
				c.Set(s)
				return c, at
			}
		}
	case v.Kind() == reflect.Pointer && !v.IsNil():
		f, at := forget(v.Elem(), path, n)
		if at != "" {
			p := reflect.New(v.Type().Elem())
			p.Elem().Set(f)
			c.Set(p)
			return c, at
		}
	}
	return c, ""
}

// TestNothingRisesByForgetting makes single answers unknown, one yes or no
// inside a fact at a time: "could not look" must never read as proof.
func TestNothingRisesByForgetting(t *testing.T) {
	rnd := rand.New(rand.NewPCG(31, 32))
	ws := worlds(t)
	tried := 0
	for _, name := range names(ws) {
		b := ws[name]
		before := provedAt(explain(b))
		for i := range b.Evidence {
			f := b.Evidence[i].Fact
			left := 1 << 20
			forget(reflect.ValueOf(f), "", &left)
			has := 1<<20 - left
			if has == 0 {
				continue
			}
			for range min(has, 4) {
				n := rnd.IntN(has)
				g, at := forget(reflect.ValueOf(f), reflect.TypeOf(f).Name(), &n)
				c := *b
				c.Evidence = slices.Clone(b.Evidence)
				c.Evidence[i].Fact, _ = g.Interface().(originward.Fact)
				tried++
				if up := raised(before, provedAt(explain(&c))); len(up) > 0 {
					t.Errorf("%s: %v rises to proved when %s is not known", name, up, strings.TrimPrefix(at, "*"))
				}
			}
		}
	}
	t.Logf("%d answers forgotten", tried)
}
