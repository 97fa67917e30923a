package counters

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/observe/host/collect"
)

// between is how far apart the two readings are: long enough to see a queue
// that overflows all the time, short enough for a run of 500 ms.
const between = 250 * time.Millisecond

// Collector answers what the kernel counts of dropped and refused connections.
func Collector() collect.Collector {
	return collect.Collector{Name: "counters", Question: fact.QCounters, Budget: 2 * time.Second, Run: run}
}

func run(ctx context.Context, env *collect.Env) ([]originward.Evidence, []originward.NotObserved) {
	var missing []originward.NotObserved
	miss := func(why, how string) {
		missing = append(missing, collect.Missing(fact.QCounters, originward.Subject{}, why, how))
	}
	began := env.Now()
	c := fact.Counters{First: snapshot(env.Proc), Growth: map[string]uint64{}, Values: settings(env.Proc)}
	if len(c.First) == 0 {
		miss("the kernel's network counters are not readable: no "+env.Proc+"/net/netstat", "mount /proc")
	}
	ct, stats := conntrack(env.Proc)
	c.Conntrack = ct
	c.PortRange = portRange(c.Values)
	if err := fillCensus(ctx, env, &c); err != nil {
		miss("sockets could not be counted: "+escape.Line(err.Error(), 200), "allow netlink sock_diag")
	}
	if !sleep(ctx, began, env) {
		miss("the counters were read once only: the run was ended", "run again and let it finish")
		return result(env, c), missing
	}
	second := snapshot(env.Proc)
	c.Between = env.Now().Sub(began)
	c.Growth = growth(c.First, second)
	if ct2, ok := conntrack(env.Proc); ok && stats {
		c.Conntrack.Count = max(c.Conntrack.Count, ct2.Count)
		if ct2.Drop >= ct.Drop {
			c.Conntrack.DropGrowth = ct2.Drop - ct.Drop
		}
	} else if ct.Used != fact.No {
		miss("how many packets connection tracking dropped: "+env.Proc+"/net/stat/nf_conntrack is not readable", "run as root: conntrack -S")
	}
	return result(env, c), missing
}

// sleep waits until the second reading is due.
func sleep(ctx context.Context, began time.Time, env *collect.Env) bool {
	t := time.NewTimer(max(0, between-env.Now().Sub(began)))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func fillCensus(ctx context.Context, env *collect.Env, c *fact.Counters) error {
	listening, web := map[uint16]bool{}, map[uint16]bool{}
	for _, s := range env.Listeners(ctx).Sockets {
		listening[s.Port] = true
	}
	for _, p := range env.Ports {
		web[p] = true
	}
	n, err := count(ctx, env.Proc, listening, web)
	if err != nil {
		return err
	}
	c.TimeWait, c.Established, c.SynRecv = n.timeWait, n.established, n.synRecv
	c.PortsInUse, c.ClientPeers = n.busiestTuples(c.PortRange[1]-c.PortRange[0]+1), n.busiestPeers(env)
	return nil
}

func result(env *collect.Env, c fact.Counters) []originward.Evidence {
	return []originward.Evidence{env.Item(originward.Subject{}, c, summary(c), "nstat -az; ss -s; sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max")}
}

// told are the counters that the sentence names when they are not zero.
var told = []string{"ListenOverflows", "ListenDrops", "TCPReqQFullDrop", "SyncookiesSent", "IPReversePathFilter", "OutNoRoutes", "TCPTimeWaitOverflow", "PAWSPassive"}

func summary(c fact.Counters) string {
	parts := []string{fmt.Sprintf("%d connections established, %d half-open, %d in TIME-WAIT", c.Established, c.SynRecv, c.TimeWait)}
	for _, n := range told {
		if v := c.First[n]; v > 0 || c.Growth[n] > 0 {
			p := fmt.Sprintf("%s %d since boot", n, v)
			if g := c.Growth[n]; g > 0 {
				p += fmt.Sprintf(" (+%d within %d ms)", g, c.Between.Milliseconds())
			}
			parts = append(parts, p)
		}
	}
	if c.Conntrack.Used == fact.Yes {
		parts = append(parts, fmt.Sprintf("connection tracking holds %d of %d entries", c.Conntrack.Count, c.Conntrack.Max))
		if c.Conntrack.Drop > 0 {
			parts = append(parts, fmt.Sprintf("it dropped %d packets since boot (+%d now)", c.Conntrack.Drop, c.Conntrack.DropGrowth))
		}
	}
	return strings.Join(parts, "; ") + "."
}
