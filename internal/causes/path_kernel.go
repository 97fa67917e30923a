package causes

import (
	"github.com/originward/originward/fact"
)

// noKernelLoss answers whether no queue or table of the host's kernel loses
// connections.
func (v *View) noKernelLoss(l *Leg) Ans {
	if len(v.counters) == 0 || len(v.listeners) == 0 {
		return Unseen(lookCounters)
	}
	if a := v.queueFull(l); a.IsYes() {
		return a.Not()
	}
	if a := v.tableFull(); a.IsYes() {
		return a.Not()
	}
	if a := v.flooded(); a.IsYes() {
		return a.Not()
	}
	if n, by := v.growth("ListenOverflows", "ListenDrops", "TCPReqQFullDrop", "PAWSPassive", "PAWSPassiveRejected", "IPReversePathFilter"); n > 0 {
		return No("the kernel counts dropped connections now", by...)
	}
	return Yes("no queue or table of the kernel is full", v.counters[0].ID)
}

// queueFull answers whether the accept queue of the leg's socket is full.
func (v *View) queueFull(l *Leg) Ans {
	socks, by := v.SocketsOf(l)
	if len(socks) == 0 {
		return Unseen(lookListeners)
	}
	for _, s := range socks {
		if s.Waiting == fact.Yes || s.Waiting == fact.Unknown && s.Queue > s.Backlog && s.Backlog > 0 {
			return Yes("the accept queue of "+socketText(s)+" holds "+itoa(int(s.Queue))+" of "+itoa(int(s.Backlog)), by...)
		}
	}
	return No("the accept queue of "+socketText(socks[0])+" has room", by...)
}

// tableFull answers whether the connection-tracking table is full.
func (v *View) tableFull() Ans {
	for _, it := range v.counters {
		c := it.Fact.Conntrack
		switch {
		case c.Used == fact.No:
			return No("connections are not tracked", it.ID)
		case c.Max > 0 && (c.Count >= c.Max || c.DropGrowth > 0 && c.Count*100 >= c.Max*95):
			return Yes("the connection-tracking table holds "+u64(c.Count)+" of "+u64(c.Max), it.ID)
		case c.Max > 0:
			return No("the connection-tracking table holds "+u64(c.Count)+" of "+u64(c.Max), it.ID)
		}
	}
	return Unseen(lookCounters)
}
