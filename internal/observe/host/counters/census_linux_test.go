package counters

import (
	"net/netip"
	"testing"

	"github.com/originward/originward/internal/observe/host/collect"
	"github.com/originward/originward/internal/observe/host/sockets"
)

func TestCensus(t *testing.T) {
	c := &census{tuples: map[tuple]int{}, peers: map[netip.Prefix]int{}}
	listening, web := map[uint16]bool{80: true}, map[uint16]bool{80: true}
	add := func(state uint8, local, remote string, n int) {
		for range n {
			c.add(&sockets.Diag{State: state, Local: netip.MustParseAddrPort(local), Remote: netip.MustParseAddrPort(remote)}, listening, web)
		}
	}
	const established, synRecv, timeWait = 1, 3, 6
	add(established, "[::ffff:203.0.113.10]:80", "[::ffff:173.245.48.7]:4000", 3)
	add(synRecv, "203.0.113.10:80", "173.245.48.9:4001", 2)
	add(timeWait, "127.0.0.1:40000", "127.0.0.1:3000", 70)
	add(established, "127.0.0.1:40001", "127.0.0.1:3000", 5)
	add(established, "127.0.0.1:80", "127.0.0.1:5000", 4)
	if c.established != 12 || c.synRecv != 2 || c.timeWait != 70 {
		t.Errorf("%d established, %d half-open, %d in TIME-WAIT", c.established, c.synRecv, c.timeWait)
	}
	tuples := c.busiestTuples(0)
	if len(tuples) != 1 || tuples[0].Count != 75 || tuples[0].Remote != netip.MustParseAddrPort("127.0.0.1:3000") {
		t.Errorf("tuples: %+v", tuples)
	}
	env := collect.NewEnv(collect.Ask{Ranges: []netip.Prefix{netip.MustParsePrefix("173.245.48.0/20")}}, collect.Sources{})
	peers := c.busiestPeers(env)
	if len(peers) != 1 || peers[0].Count != 5 || peers[0].CDN != "edge" || peers[0].Net.String() != "173.245.48.0/24" {
		t.Errorf("peers: %+v", peers)
	}
}
