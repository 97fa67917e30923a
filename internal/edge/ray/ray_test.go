package ray

import "testing"

func TestRoundTrip(t *testing.T) {
	for _, id := range []ID{1, 0x230b030023ae2822, 0xffffffffffffffff, New()} {
		s := string(id.AppendWithPlace(nil, "LAB"))
		if len(s) != 20 || s[16:] != "-LAB" || s[:16] != id.String() {
			t.Errorf("%#x with its place reads %q", uint64(id), s)
		}
		for _, in := range []string{s, s[:16]} {
			got, err := Parse(in)
			if err != nil || got != id {
				t.Errorf("Parse(%q) = %#x, %v; want %#x", in, uint64(got), err, uint64(id))
			}
		}
	}
	if got, err := Parse("230B030023AE2822-SJC"); err != nil || got != 0x230b030023ae2822 {
		t.Errorf("upper case: %v, %v", got, err)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, s := range []string{"", "-LAB", "230b030023ae282", "230b030023ae28222", "230b030023ae282g", "230b030023ae282\x10", "230b030023ae282 "} {
		if id, err := Parse(s); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", s, id)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("230b030023ae2822-SJC")
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := Parse(s); err == nil {
			if again, err := Parse(id.String()); err != nil || again != id {
				t.Fatalf("%q reads %v, which reads back as %v, %v", s, id, again, err)
			}
		}
	})
}
