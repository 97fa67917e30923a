package xt

import (
	"reflect"
	"testing"

	"github.com/originward/originward/internal/firewall/ruleset"
)

// blob pads to a length with zeros.
func blob(n int, head ...byte) []byte { return append(head, make([]byte, max(0, n-len(head)))...) }

func TestDecodeMatch(t *testing.T) {
	for _, c := range []struct {
		name string
		rev  uint32
		blob []byte
		want any
	}{
		{"tcp", 0, []byte{0, 0, 0xff, 0xff, 80, 0, 80, 0, 0, 0x17, 2, 0}, TCP{Dst: PortRange{80, 80}, Src: PortRange{0, 65535}, FlagMask: 0x17, FlagComp: 2}},
		{"multiport", 1, blob(48, 1, 3, 80, 0, 0x88, 0x13, 0x8b, 0x13), nil}, // ranges are marked behind the ports: see below
		{"comment", 0, blob(256, 'h', 'i'), Always{Name: "comment", Text: "hi"}},
		{"mark", 1, []byte{1, 0, 0, 0, 0xff, 0, 0, 0, 1, 0, 0, 0}, MarkMatch{Mark: 1, Mask: 0xff, Inv: true}},
		{"rpfilter", 0, []byte{8, 0, 0, 0, 0, 0, 0, 0}, RPFilter{Inv: true}},
		{"pkttype", 0, []byte{1, 0, 0, 0, 0, 0, 0, 0}, PktType{Type: 1}},
		{"ttl", 0, []byte{2, 64, 0, 0, 0, 0, 0, 0}, TTL{Mode: 2, Value: 64}},
		{"state", 0, []byte{8, 0, 0, 0}, Conntrack{Flags: CtState, State: StateNew}},
		{"state", 0, []byte{0x40, 0, 0, 0}, Conntrack{Flags: CtState, State: StateUntracked}},
	} {
		got, err := DecodeMatch(c.name, c.rev, c.blob, ruleset.IP)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if c.want != nil && !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// TestUnknown: what is not known is an error, never a guess.
func TestUnknown(t *testing.T) {
	for _, c := range []struct {
		name string
		rev  uint32
		blob []byte
	}{
		{"geoip", 0, blob(64)},            // not in the kernel
		{"conntrack", 9, blob(200)},       // a later revision
		{"tcp", 0, blob(4)},               // too short
		{"tcp", 0, blob(64)},              // too long
		{"multiport", 1, blob(48, 1, 99)}, // more ports than fit
		{"rpfilter", 0, []byte{0x80, 0}},  // a flag nobody knows
		{"set", 0, blob(40)},              // the first revision kept names differently
	} {
		if got, err := DecodeMatch(c.name, c.rev, c.blob, ruleset.IP); err == nil {
			t.Errorf("%s revision %d, %d bytes: %+v", c.name, c.rev, len(c.blob), got)
		}
	}
	if got, err := DecodeTarget("TARPIT", 0, blob(8), ruleset.IP); err == nil {
		t.Errorf("TARPIT: %+v", got)
	}
}

// FuzzBlob decodes arbitrary blobs under every name.
func FuzzBlob(f *testing.F) {
	f.Add(uint32(0), false, []byte{0, 0, 0xff, 0xff, 80, 0, 80, 0, 0, 0x17, 2, 0})
	f.Add(uint32(3), true, blob(160, 1))
	f.Add(uint32(2), false, blob(48))
	f.Fuzz(func(t *testing.T, rev uint32, six bool, b []byte) {
		fam := ruleset.IP
		if six {
			fam = ruleset.IP6
		}
		for name := range matches {
			if v, err := DecodeMatch(name, rev%6, b, fam); err == nil && v == nil {
				t.Fatalf("match %s: neither a value nor an error", name)
			}
		}
		for name := range targets {
			if v, err := DecodeTarget(name, rev%6, b, fam); err == nil && v == nil {
				t.Fatalf("target %s: neither a value nor an error", name)
			}
		}
	})
}
