package remedy

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

// listed is what cscli 1.4.6 prints for two bans, one of them simulated, and a
// captcha for a country.
const listed = `[
 {"created_at":"2026-11-22T20:26:16Z","decisions":[
   {"duration":"3h59m59.071666068s","id":1,"origin":"cscli","scenario":"manual","scope":"Ip","simulated":false,"type":"ban","value":"173.245.48.10"},
   {"duration":"59m0s","id":2,"origin":"crowdsec","scenario":"crowdsecurity/http-probing","scope":"Range","simulated":false,"type":"ban","value":"162.158.0.0/15"}],"id":1},
 {"decisions":[{"duration":"-1m2s","id":3,"scenario":"old","scope":"Ip","simulated":false,"type":"ban","value":"173.245.48.11"}],"id":2},
 {"decisions":[{"duration":"4h","id":4,"scenario":"try","scope":"Ip","simulated":true,"type":"ban","value":"173.245.48.12"}],"id":3},
 {"decisions":[{"duration":"4h","id":5,"scenario":"geo","scope":"Country","simulated":false,"type":"captcha","value":"ZZ"}],"id":4},
 {"decisions":[{"duration":"4h","id":6,"scenario":"ssh","scope":"Ip","simulated":false,"type":"ban","value":"192.0.2.7"}],"id":5}
]`

// TestDecisions: what is lifted are the bans in force that touch the networks,
// and an undo asks for what is left of their time.
func TestDecisions(t *testing.T) {
	now := time.Date(2026, 11, 22, 20, 26, 17, 0, time.UTC)
	b := &Decisions{Nets: []netip.Prefix{netip.MustParsePrefix("173.245.48.0/20"), netip.MustParsePrefix("162.158.1.10/32")}}
	got, err := b.read([]byte(listed), now)
	if err != nil || len(got) != 2 {
		t.Fatalf("%+v %v", got, err)
	}
	if want := []string{"decisions", "delete", "--range", "162.158.0.0/15"}; !slices.Equal(got[1].argv("delete"), want) {
		t.Errorf("%q, want %q", got[1].argv("delete"), want)
	}
	later := now.Add(time.Hour)
	want := []string{"decisions", "add", "--ip", "173.245.48.10", "--duration", "2h59m59s", "--reason", "manual", "--type", "ban"}
	if !slices.Equal(got[0].again(later), want) {
		t.Errorf("%q, want %q", got[0].again(later), want)
	}
	for _, none := range []string{"null", "[]"} {
		if got, err := b.read([]byte(none), now); err != nil || len(got) != 0 {
			t.Errorf("%s: %v %v", none, got, err)
		}
	}
	if _, err := b.read([]byte("<html>"), now); err == nil {
		t.Error("what is no list was read")
	}
}

// FuzzDecisions: whatever the list says, only bans in force of the networks come out
// of it, and nothing of it stands in a place where a command expects an option.
func FuzzDecisions(f *testing.F) {
	f.Add([]byte(listed))
	f.Add([]byte(`[{"decisions":[{"duration":"1h","value":"--all","scope":"Ip","type":"ban"}]}]`))
	now := time.Date(2026, 11, 22, 20, 26, 17, 0, time.UTC)
	b := &Decisions{Nets: []netip.Prefix{netip.MustParsePrefix("173.245.48.0/20")}}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := b.read(raw, now)
		if err != nil && len(got) > 0 {
			t.Errorf("an error, and %v", got)
		}
		for _, d := range got {
			if p := d.prefix(); !p.IsValid() || !b.Nets[0].Overlaps(p) || !d.Until.After(now) && d.Until != now {
				t.Errorf("%+v", d)
			}
			if a := d.argv("delete"); len(a) != 4 || a[3] != d.Value {
				t.Errorf("%q", a)
			}
		}
	})
}
