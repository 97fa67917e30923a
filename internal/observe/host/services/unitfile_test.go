package services

import (
	"reflect"
	"testing"
)

func TestExecLine(t *testing.T) {
	for text, want := range map[string][]string{
		"[Service]\nExecStart=/usr/sbin/varnishd \\\n  -F \\\n  -a :6081 \\\n  -T localhost:6082\nExecReload=/x\n": {"/usr/sbin/varnishd", "-F", "-a", ":6081", "-T", "localhost:6082"},
		"[Service]\nExecStart=\nExecStart=-/usr/bin/hitch --daemon\n":                                              {"/usr/bin/hitch", "--daemon"},
		"[Service]\n": {},
	} {
		if got := execLine(text); len(got) != len(want) || len(got) > 0 && !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestVarnishPorts(t *testing.T) {
	for _, c := range []struct {
		words []string
		want  []uint16
	}{
		{[]string{"varnishd", "-F", "-a", ":6081", "-T", "localhost:6082"}, []uint16{6081}},
		{[]string{"varnishd", "-a", "web=0.0.0.0:80,HTTP", "-a", "[::]:80", "-aproxy=/run/v.sock,PROXY", "-a:8443,PROXY"}, []uint16{80, 8443}},
		{[]string{"varnishd", "-a"}, nil},
		{[]string{"varnishd", "-a", "$PORT"}, nil},
	} {
		if got := varnishPorts(c.words); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: %d, want %d", c.words, got, c.want)
		}
	}
}
