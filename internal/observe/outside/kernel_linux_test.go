package outside

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/netns/nstest"
)

// insideEnv makes the test binary observe inside a namespace.
const insideEnv = "ORIGINWARD_TEST_OBSERVE"

func TestInside(t *testing.T) {
	origins := os.Getenv(insideEnv)
	if origins == "" {
		t.Skip("runs inside a namespace only, started by the other tests")
	}
	var ask = Ask{Host: host}
	for _, s := range strings.Fields(origins) {
		o, err := ParseOrigin(s)
		if err != nil {
			t.Fatal(err)
		}
		ask.Origins = append(ask.Origins, o)
	}
	start := time.Now()
	es, ms := Observe(t.Context(), ask)
	took := time.Since(start)
	check(t, es, ms)
	b, _ := json.Marshal(originward.Bundle{Schema: originward.EvidenceSchema, Evidence: es, NotObserved: ms})
	fmt.Printf("TOOK %d\nBUNDLE %s\n", took.Milliseconds(), b)
}

// TestKernel looks at a host that serves one port, drops another, and has IPv6
// without a listener, while our own network has no route to a third address.
func TestKernel(t *testing.T) {
	client, server := nstest.Pair(t, "10.9.1.1/24", "fd09:1::1/64", "10.9.1.2/24", "fd09:1::2/64")
	l, err := server.Listen("tcp4", "10.9.1.2:80")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") })}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	nstest.Run(t, server, "nft", "add table inet t")
	nstest.Run(t, server, "nft", "add chain inet t in { type filter hook input priority 0; }")
	nstest.Run(t, server, "nft", "add rule inet t in ip saddr 10.9.1.1 tcp dport 443 drop")
	out := nstest.Run(t, client, "env", insideEnv+"=10.9.1.2 fd09:1::2 198.51.100.7", os.Args[0], "-test.run=^TestInside$")
	b, took := parse(t, out)
	got := map[string]string{}
	for _, it := range fact.All[fact.Exchange](b) {
		if it.Fact.Variant != fact.VariantPlain {
			t.Errorf("second look where none teaches: %s", it.Text)
		}
		word := "ok"
		if it.Fact.Fault != nil {
			word = fmt.Sprint(it.Fact.Fault.Code)
		}
		got[it.Fact.Target.String()] = word
	}
	want := map[string]string{"10.9.1.2:80": "ok", "10.9.1.2:443": "522", "[fd09:1::2]:80": "521", "[fd09:1::2]:443": "521"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if took > 3500*time.Millisecond {
		t.Errorf("took %s", took)
	}
	blamed := true
	for _, n := range b.NotObserved {
		if n.Subject.Addr == netip.MustParseAddr("198.51.100.7") {
			blamed = false
		}
	}
	if blamed {
		t.Errorf("an address that we cannot send to is not among %+v", b.NotObserved)
	}
}

func parse(t *testing.T, out string) (*originward.Bundle, time.Duration) {
	t.Helper()
	var b *originward.Bundle
	var ms int64
	for _, line := range strings.Split(out, "\n") {
		if raw, ok := strings.CutPrefix(line, "BUNDLE "); ok {
			var err error
			if b, err = fact.ReadBundle(strings.NewReader(raw)); err != nil {
				t.Fatal(err)
			}
		}
		fmt.Sscanf(line, "TOOK %d", &ms)
	}
	if b == nil {
		t.Fatalf("no bundle in %s", out)
	}
	return b, time.Duration(ms) * time.Millisecond
}
