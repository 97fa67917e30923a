package zonesync

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

const balanced = `
pools:
  - name: main
    origins:
      - {name: a, address: 203.0.113.10, weight: 0.5, header: {Host: [app.example]}}
      - {name: b, address: b.example, enabled: false}
    monitor: {type: https, path: /health, interval: 30, expected_codes: 2xx}
  - {name: spare, minimum_origins: 1, origins: [{name: z, address: 203.0.113.30}]}
zones:
  - name: shop.example
    records: []
    load_balancers:
      - name: shop.example
        default_pools: [main, spare]
        fallback_pool: spare
        steering_policy: random
        random_steering: {default_weight: 0.5, pool_weights: {main: 1}}
        session_affinity: cookie
`

func texts(steps []Step) []string {
	var out []string
	for _, s := range steps {
		out = append(out, s.Text)
	}
	return out
}

// Pools and load balancers go to an edge and come back; on another edge, whose ids
// are others, the document means the same.
func TestPoolsRoundTrip(t *testing.T) {
	c := api(t)
	if got := texts(apply(t, c, balanced, false)); !slices.Equal(got, []string{"+ pool main", "+ pool spare", "+ zone shop.example", "+ load balancer shop.example"}) {
		t.Errorf("%q", got)
	}
	if got := texts(apply(t, c, balanced, false)); len(got) != 0 {
		t.Errorf("again: %q", got)
	}
	have, err := c.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out, err := have.Dump()
	if err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{"id:", "created_on", "disabled_at", "- 0"} {
		if bytes.Contains(out, []byte(gone)) {
			t.Errorf("%q is an edge's own:\n%s", gone, out)
		}
	}
	other := api(t)
	apply(t, other, "zones: [{name: before.example, records: []}]", false) // ids differ
	apply(t, other, string(out), true)
	again, err := other.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if b, err := again.Dump(); err != nil || !bytes.Equal(b, out) {
		t.Errorf("exported\n%s\nfrom the other\n%s", out, b)
	}
	if one, err := c.Read(t.Context(), "before.example"); err != nil || len(one.Pools) != 0 {
		t.Errorf("pools that no zone of the document uses: %+v %v", one, err)
	}
}

// Changes, one by one: a monitor that nothing uses any more goes with its pool.
func TestPoolSteps(t *testing.T) {
	c := api(t)
	apply(t, c, balanced, false)
	current := balanced
	for _, step := range []struct {
		old, new string
		prune    bool
		want     string
	}{
		{"weight: 0.5", "weight: 0.25", false, "~ pool main: origins "},
		{"/health", "/up", false, "~ pool main: monitor "},
		{"default_pools: [main, spare]", "default_pools: [main]", false, `~ load balancer shop.example: default_pools ["main","spare"] -> ["main"]`},
		{"fallback_pool: spare", "fallback_pool: main", false, `~ load balancer shop.example: fallback_pool "spare" -> "main"`},
		{"  - {name: spare, minimum_origins: 1, origins: [{name: z, address: 203.0.113.30}]}\n", "", true, "- pool spare"},
	} {
		current = strings.Replace(current, step.old, step.new, 1)
		got := texts(apply(t, c, current, step.prune))
		if len(got) != 1 || !strings.HasPrefix(got[0], step.want) {
			t.Errorf("%q -> %q: %q", step.old, step.new, got)
		}
		if got := texts(apply(t, c, current, step.prune)); len(got) != 0 {
			t.Errorf("again: %q", got)
		}
	}
	base, err := c.balancing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var monitors []Object
	if err := c.do(t.Context(), "GET", base+"/monitors", nil, &monitors); err != nil || len(monitors) != 1 {
		t.Errorf("%d monitors, %v", len(monitors), err)
	}
	empty := "zones: [{name: shop.example, records: [], load_balancers: []}]"
	if got := texts(apply(t, c, empty, true)); !slices.Equal(got, []string{"- load balancer shop.example", "- pool main"}) {
		t.Errorf("%q", got)
	}
	if err := c.do(t.Context(), "GET", base+"/monitors", nil, &monitors); err != nil || len(monitors) != 0 {
		t.Errorf("%d monitors, %v", len(monitors), err)
	}
}

func TestPoolNames(t *testing.T) {
	for in, want := range map[string]string{
		"pools: [{origins: []}]\nzones: []":                                              "pools[0]: name is missing",
		"pools: [{name: a}, {name: a}]\nzones: []":                                       "pools[1]: a stands there twice",
		"zones: [{name: a.example, records: [], load_balancers: [{default_pools: []}]}]": "zones[0].load_balancers[0]: name is missing",
	} {
		if _, err := Parse([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", in, err)
		}
	}
}
