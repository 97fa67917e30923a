package causes

// connectionCauses is the first half of family J: limits on connections.
func connectionCauses() []Cause {
	return []Cause{
		{
			ID: "capacity.conntrack-full", Family: "J", Title: "the connection-tracking table is full", Codes: []int{522, 520}, Where: onTheHost,
			Needs: needs(needCounters), After: ids("capacity.flood"), Judge: judgeConntrack,
			Doc: Doc{
				What:  "The connection-tracking table is full, and the kernel drops new flows.",
				Looks: "Intermittent 522 or 520.",
				Proof: "The count equals the maximum, and drops grow or the kernel logs `table full, dropping packet`.",
				Alike: []Alike{{"capacity.accept-backlog", "ListenOverflows grow; the table has room"}, {"firewall.host.port-closed", "a rule decides"}},
				Fix:   "Raise the maximum, shorten time-outs, skip tracking for web ports.", Prevent: "Watch count against maximum.",
			},
		},
		{
			ID: "capacity.accept-backlog", Family: "J", Title: "the accept queue overflows", Codes: []int{522}, Where: onTheHost,
			Needs: needs(needListeners), After: ids("backend.proxy-wedged", "capacity.flood", "capacity.workers-exhausted", "capacity.fd-limit"), Judge: judgeBacklog,
			Doc: Doc{
				What:  "The SYN or accept queue of the server's socket overflows.",
				Looks: "Intermittent or steady 522.",
				Proof: "The queue is full at two readings, and overflows or the socket's drops grow; the packet filter admits the edge.",
				Alike: []Alike{{"firewall.host.port-closed", "a rule drops the SYN"}, {"capacity.conntrack-full", "the table is full"}, {"backend.proxy-wedged", "the process is frozen"}},
				Fix:   "Raise backlog and somaxconn; accept faster.", Prevent: "Watch ListenOverflows.",
			},
		},
		{
			ID: "capacity.workers-exhausted", Family: "J", Title: "all workers are busy", Codes: []int{500, 502, 504, 520, 522, 524}, Where: onTheHost,
			Needs: needs(needLogs), After: ids("capacity.flood", "capacity.origin-stampede"), Judge: judgeWorkers,
			Doc: Doc{
				What:  "All web-server or application workers are busy: worker_connections, MaxRequestWorkers, php-fpm children.",
				Looks: "500, 502, 504, 520, 522 or 524 that grow with load; the processor may be idle.",
				Proof: "The server's log of that time names the limit.",
				Alike: []Alike{{"http.keepalive-race", "milliseconds, no log line, no growth with load"}, {"cdn.edge-incident", "a plain nginx page without the CDN's brand is the origin's"}},
				Fix:   "Find what holds the workers; raise the limit within memory.", Prevent: "Time-outs on everything that workers wait for.",
			},
		},
		{
			ID: "capacity.fd-limit", Family: "J", Title: "the server runs out of file descriptors", Codes: []int{500, 520, 522}, Where: onTheHost,
			Needs: needs(needHost("", lookLogs.How)), After: ids("capacity.flood"), Judge: judgeFDLimit,
			Doc: Doc{
				What:  "The server runs out of file descriptors.",
				Looks: "500, 520 or 522 under load.",
				Proof: "The log says too many open files; the limit of the running process.",
				Alike: []Alike{{"capacity.workers-exhausted", "the log names workers, not files"}},
				Fix:   "Raise the limit of the unit or container, not of the shell.", Prevent: "LimitNOFILE in the unit.",
			},
		},
		{
			ID: "capacity.ephemeral-ports", Family: "J", Title: "no source ports to the backend are left", Codes: []int{502, 503, 504}, Where: onTheHost,
			Needs: needs(needHost("", lookCounters.How)), Judge: judgePorts,
			Doc: Doc{
				What:  "A proxy layer runs out of source ports to its backends.",
				Looks: "502 to 504 under load.",
				Proof: "Cannot assign requested address on connect, and the ports towards one backend are used up.",
				Alike: []Alike{{"backend.down", "refused, errno 111"}},
				Fix:   "Keep-alive to the upstream, more source addresses.", Prevent: "Keep-alive to every upstream.",
			},
		},
	}
}

// resourceCauses is the second half of family J: memory, disks, floods and the kernel.
func resourceCauses() []Cause {
	return []Cause{
		{
			ID: "capacity.oom", Family: "J", Title: "a process was killed for memory", Codes: []int{520, 521, 502, 522}, Where: onTheHost,
			Needs: needs(needHost("", lookServices.How)), Judge: judgeOOM,
			Doc: Doc{
				What:  "Memory runs out, and a needed process is killed or stalls.",
				Looks: "521 or 502 out of nothing; the process restarts or stays away.",
				Proof: "The service manager says oom-kill, or the kernel's log names the process, and it is gone.",
				Alike: []Alike{{"listener.none", "it was stopped, not killed"}},
				Fix:   "Limit or add memory.", Prevent: "Memory limits per unit; swap; alerts.",
			},
		},
		{
			ID: "capacity.disk-full", Family: "J", Title: "a disk is full", Codes: []int{500, 502, 520}, Where: onTheHost,
			Needs: needs(needHost("load", lookLoad.How)), Judge: judgeDiskFull,
			Doc: Doc{
				What:  "A full or failing disk stops the service.",
				Looks: "500, 502 or 520; logs end.",
				Proof: "No byte or no inode is left where the site writes, and the logs name failed writes.",
				Alike: []Alike{{"backend.down", "the disk has room"}},
				Fix:   "Free space.", Prevent: "Alert earlier; bound logs and caches.",
			},
		},
		{
			ID: "capacity.flood", Family: "J", Title: "the origin is flooded", Codes: []int{522, 520, 524, 521}, Where: onTheHost,
			Needs: needs(needCounters), Judge: judgeFlood,
			Doc: Doc{
				What:  "Crawlers or an attack saturate the origin.",
				Looks: "522, 520 or 524 with a high rate of requests or packets.",
				Proof: "Rates against normal, per network; likely at most without a baseline.",
				Alike: []Alike{{"capacity.workers-exhausted", "few requests hold the workers"}},
				Fix:   "Challenge or rate-limit at the edge; block direct access.", Prevent: "Admit the CDN only.",
			},
		},
		{
			ID: "capacity.origin-stampede", Family: "J", Title: "a purge sent all traffic to the origin", Codes: []int{500, 503, 524}, Where: atTheCDN,
			Needs: needs(needCDN("cdn_events", lookEvents.How)), Judge: judgeStampede,
			Doc: Doc{
				What:  "A cache purge sends all traffic to the origin at once.",
				Looks: "500, 503 or 524 right after a purge.",
				Proof: "The hit ratio collapses at the time of a purge; likely at most.",
				Alike: []Alike{{"capacity.flood", "no purge"}},
				Fix:   "Purge narrowly, use a tiered cache or object storage.", Prevent: "Tiered cache; stale while revalidate.",
			},
		},
		{
			ID: "kernel.tw-recycle", Family: "J", Title: "an old TCP setting drops connections of the edge", Codes: []int{522}, Where: onTheHost,
			Needs: needs(needCounters), Judge: judgeTWRecycle,
			Doc: Doc{
				What:  "An old TCP setting drops SYNs of clients behind one address whose timestamps go back.",
				Looks: "Intermittent 522.",
				Proof: "tcp_tw_recycle is 1, and rejects by timestamp grow.",
				Alike: []Alike{{"capacity.accept-backlog", "the queue is full"}},
				Fix:   "Turn it off.", Prevent: "A kernel of 4.12 or later has no such setting.",
				World: "the setting left the kernel in 4.12; tested on bundles",
			},
		},
	}
}
