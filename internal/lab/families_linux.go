package lab

// families lists the families of worlds; one line adds one.
var families = []func() []*World{
	listenerWorlds,
	firewallWorlds,
	allowlistWorlds,
	containerWorlds,
	banWorlds,
	dnsWorlds,
	cdnWorlds,
	balancedWorlds,
	tlsWorlds,
	httpWorlds,
	backendWorlds,
	rolloutWorlds,
	capacityWorlds,
	pathWorlds,
	tunnelWorlds,
	vendorWorlds,
	alikeWorlds,
	againWorlds,
	mixedWorlds,
	healthyWorlds,
	rareWorlds,
	sharedWorlds,
	systemdWorlds,
	localWorlds,
}
