package config

// Limits bound visitors. Zero = the default.
type Limits struct {
	// Connections is how many visitors' connections are held at once; by default what the
	// limit of open files leaves.
	Connections int
	// PerAddress is how many of them one address may have (of IPv6, one network of 64
	// bits); by default as many as it likes.
	PerAddress int
}

// maxConnections bounds both: more than a machine has ports and memory for.
const maxConnections = 10_000_000

func (v value) limits() Limits {
	var l Limits
	v.object(
		key{"connections", func(v value) { l.Connections = v.connections() }},
		key{"connections_per_address", func(v value) { l.PerAddress = v.connections() }},
	)
	return l
}

func (v value) connections() int {
	n, _ := v.integer(1, maxConnections)
	return n
}
