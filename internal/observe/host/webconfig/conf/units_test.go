package conf

import "testing"

func TestSeconds(t *testing.T) {
	for _, tt := range []struct {
		in    string
		plain float64
		want  float64
		ok    bool
	}{
		{"75", 1, 75, true}, {"75s", 1, 75, true}, {"1m30s", 1, 90, true}, {"500ms", 1, 0.5, true}, {"1h 30m", 1, 5400, true},
		{"5000", 0.001, 5, true}, {"1min", 1, 60, true}, {"1M", 1, 2592000, true}, {"0", 1, 0, true},
		{"", 1, 0, false}, {"off", 1, 0, false}, {"5x", 1, 0, false}, {"-1", 1, 0, false}, {"1.2.3", 1, 0, false},
	} {
		if got, ok := Seconds(tt.in, tt.plain); got != tt.want || ok != tt.ok {
			t.Errorf("Seconds(%q, %v) = %v, %v", tt.in, tt.plain, got, ok)
		}
	}
}

func TestBytes(t *testing.T) {
	for in, want := range map[string]float64{"8k": 8192, "1M": 1 << 20, "4096": 4096, "2g": 2 << 30} {
		if got, ok := Bytes(in); !ok || got != want {
			t.Errorf("Bytes(%q) = %v, %v", in, got, ok)
		}
	}
	for _, in := range []string{"", "k", "x", "8kb", "-1"} {
		if got, ok := Bytes(in); ok {
			t.Errorf("Bytes(%q) = %v", in, got)
		}
	}
}

func FuzzSeconds(f *testing.F) {
	f.Add("1m30s")
	f.Add("9e9")
	f.Fuzz(func(t *testing.T, s string) {
		if v, ok := Seconds(s, 1); ok && v < 0 {
			t.Errorf("Seconds(%q) = %v", s, v)
		}
		if v, ok := Bytes(s); ok && v < 0 {
			t.Errorf("Bytes(%q) = %v", s, v)
		}
	})
}
