package lab

// families lists the families of worlds; one line adds one.
var families = []func() []*World{
	listenerWorlds,
	firewallWorlds,
	tlsWorlds,
	httpWorlds,
	dnsWorlds,
}
