package exchange

import "time"

// Profile holds the timers and limits of exchanges. A zero field means the
// documented value of [Patient].
type Profile struct {
	// Name is "patient", "fast", or what a configuration calls it; it appears in evidence.
	Name string
	// Resolve bounds the look-up of an origin's name.
	Resolve time.Duration
	// Connect bounds the TCP handshake, SYN until SYN+ACK.
	Connect time.Duration
	// SynCount is TCP_SYNCNT: SYN retransmissions beyond the kernel's linear ones. Linux
	// only; 0 leaves the kernel's setting.
	SynCount int
	// Handshake bounds the TLS handshake.
	Handshake time.Duration
	// Ack bounds how long sent bytes may stay unacknowledged.
	Ack time.Duration
	// Read bounds the wait between two reads from the origin.
	Read time.Duration
	// Write bounds each write of request bytes: the time for which the origin may
	// take nothing.
	Write time.Duration
	// Idle bounds how long an unused connection is kept.
	Idle time.Duration
	// KeepIdle, KeepInterval and KeepCount are TCP keepalive: idle time before the first
	// probe, time between probes, probes lost until the connection is dead.
	KeepIdle, KeepInterval time.Duration
	KeepCount              int
	// Head bounds a response head in bytes.
	Head int
	// MaxStreams bounds concurrent HTTP/2 streams per connection; the origin's own
	// SETTINGS_MAX_CONCURRENT_STREAMS holds when lower.
	MaxStreams int
}

// Patient is the edge's documented behaviour: cloudflare connection-limits,
// text dated 2026-07-23, and http2-to-origin. The SYN schedule is measured on
// Linux ≥ 6.5: TCP_SYNCNT=3 behind four linear retransmissions sends SYNs at 0,
// 1, 2, 3, 4, 5, 7 and 11 s and gives up at 19 s. The documents give no limit for
// the handshake itself: the connect limit of 19 s is applied once more.
func Patient() Profile {
	return Profile{
		Name:         "patient",
		Resolve:      10 * time.Second, // not documented; two tries of the usual resolver timeout of 5 s
		Connect:      19 * time.Second,
		SynCount:     3,
		Handshake:    19 * time.Second,
		Ack:          90 * time.Second,
		Read:         125 * time.Second,
		Write:        30 * time.Second,
		Idle:         900 * time.Second,
		KeepIdle:     30 * time.Second,
		KeepInterval: 15 * time.Second,
		KeepCount:    2,
		Head:         128 << 10,
		MaxStreams:   200,
	}
}

// Fast is for diagnosing: a refusal is known at once either way, and silence is
// called after at most 3 s whole. 2.2 s for the SYN sees the first two
// retransmissions (1.03 and 2.05 s) of a path that loses packets.
func Fast() Profile {
	p := Patient()
	p.Name = "fast"
	p.Resolve = 2 * time.Second
	p.Connect = 2200 * time.Millisecond
	p.SynCount = 0
	p.Handshake = 2200 * time.Millisecond
	p.Ack = 2200 * time.Millisecond
	p.Read = 2500 * time.Millisecond
	p.Write = 2200 * time.Millisecond
	return p
}

// FastWhole is the budget of one whole exchange under Fast.
const FastWhole = 3 * time.Second

// withDefaults fills zero fields from Patient.
func (p Profile) withDefaults() Profile {
	d := Patient()
	for _, f := range []struct{ v, def *time.Duration }{
		{&p.Resolve, &d.Resolve},
		{&p.Connect, &d.Connect},
		{&p.Handshake, &d.Handshake},
		{&p.Ack, &d.Ack},
		{&p.Read, &d.Read},
		{&p.Write, &d.Write},
		{&p.Idle, &d.Idle},
		{&p.KeepIdle, &d.KeepIdle},
		{&p.KeepInterval, &d.KeepInterval},
	} {
		if *f.v == 0 {
			*f.v = *f.def
		}
	}
	if p.Name == "" {
		p.Name = d.Name
	}
	if p.KeepCount == 0 {
		p.KeepCount = d.KeepCount
	}
	if p.Head == 0 {
		p.Head = d.Head
	}
	if p.MaxStreams == 0 {
		p.MaxStreams = d.MaxStreams
	}
	return p
}
