package host

import "github.com/originward/originward/internal/observe/host/collect"

// collectors is the list of everything that is asked of a host: one line each.
func collectors() []collect.Collector {
	return []collect.Collector{}
}

// sources read what several collectors share.
func sources() collect.Sources {
	return collect.Sources{}
}
