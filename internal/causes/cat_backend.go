package causes

// backendReachCauses is the first half of family I: the origin's own proxy does not reach what stands behind it.
func backendReachCauses() []Cause {
	return []Cause{
		{
			ID: "backend.down", Family: "I", Title: "the application does not run", Codes: []int{502, 503}, Where: onTheHost,
			Needs: needs(needHost("", lookLocal.How)),
			After: ids("capacity.oom", "capacity.disk-full", "backend.crashed", "backend.wrong-port", "backend.stale-upstream-dns", "backend.selinux-denied", "backend.wrong-resolution", "backend.rollout-drain"), Judge: judgeBackendDown,
			Doc: Doc{
				What:  "The process behind the proxy does not run.",
				Looks: "502 or 503 that the origin wrote.",
				Proof: "A connect to the upstream is refused, and nothing listens on its port.",
				Alike: []Alike{{"firewall.container-to-host", "the connect hangs, it is not refused"}, {"backend.wrong-port", "the application listens on another port"}},
				Fix:   "Start it; correct its start error.", Prevent: "Let the service manager restart it; watch its port.",
			},
		},
		{
			ID: "backend.crashed", Family: "I", Title: "workers crash", Codes: []int{502, 520}, Where: onTheHost,
			Needs: needs(needLogs), After: ids("capacity.oom"), Judge: judgeBackendCrashed,
			Doc: Doc{
				What:  "Workers crash or a module segfaults.",
				Looks: "502 or 520 for some requests.",
				Proof: "The server's log of that time shows a child's exit by a signal.",
				Alike: []Alike{{"http.close-without-response", "the access log has 444"}, {"backend.down", "nothing runs at all"}},
				Fix:   "Roll back the update; disable the module.", Prevent: "Canary updates.",
			},
		},
		{
			ID: "backend.wrong-port", Family: "I", Title: "the proxy points at the wrong port or scheme", Codes: []int{502}, Where: onTheHost,
			Needs: needs(needHost("", lookWeb.How)), Judge: judgeBackendWrongPort,
			Doc: Doc{
				What:  "The proxy points at the wrong port or scheme of the backend.",
				Looks: "502.",
				Proof: "The configured port is refused while the application listens on another; or it speaks the other scheme.",
				Alike: []Alike{{"backend.down", "the application listens nowhere"}},
				Fix:   "Correct the port.", Prevent: "Take the port from one place.",
			},
		},
		{
			ID: "backend.stale-upstream-dns", Family: "I", Title: "the proxy keeps an old address of its backend", Codes: []int{502, 504}, Where: onTheHost,
			Needs: needs(needLogs), Judge: judgeStaleUpstreamDNS,
			Doc: Doc{
				What:  "The proxy keeps the address that a backend's name had at start.",
				Looks: "502 or 504 after a backend was created anew.",
				Proof: "The upstream address in the log differs from what the name means now, and the present one answers.",
				Alike: []Alike{{"backend.down", "the present address does not answer either"}},
				Fix:   "Resolve at request time; reload now.", Prevent: "resolver and variables in nginx.",
			},
		},
		{
			ID: "backend.wrong-resolution", Family: "I", Title: "the backend's name means something else", Codes: []int{502}, Where: onTheHost,
			Needs: needs(needHost("", lookNames.How)), Judge: judgeWrongResolution,
			Doc: Doc{
				What:  "The backend's name resolves to something else: search domain, split DNS.",
				Looks: "502.",
				Proof: "The name means a public address, or none, on the proxy's host.",
				Alike: []Alike{{"loop.proxy-resolves-to-cdn", "it means an edge"}},
				Fix:   "Use a full name or the container's resolver.", Prevent: "End names with a dot; one resolver.",
			},
		},
	}
}

// backendStateCauses is the second half of family I: what stands behind it is reached and does not answer.
func backendStateCauses() []Cause {
	return []Cause{
		{
			ID: "backend.proxy-wedged", Family: "I", Title: "the server's process is alive and serves nothing", Codes: []int{504, 502, 521}, Where: onTheHost,
			Needs: needs(needHost("", lookLocal.How)), After: ids("capacity.workers-exhausted", "capacity.disk-full", "capacity.fd-limit", "capacity.flood"), Judge: judgeWedged,
			Doc: Doc{
				What:  "The proxy's process is alive and no longer serves or reads its configuration.",
				Looks: "504, 502, 524 or 521.",
				Proof: "A request on the host itself hangs, and its processes are frozen or its backends answer; a restart cures.",
				Alike: []Alike{{"capacity.workers-exhausted", "the log names a limit"}, {"cdn.origin-timeout", "only one page is late"}},
				Fix:   "Restart; add a probe that asks for a page.", Prevent: "A watchdog that asks for a page.",
			},
		},
		{
			ID: "backend.rollout-drain", Family: "I", Title: "requests reached an instance that was shutting down", Codes: []int{502, 503, 520}, Where: onTheHost,
			Needs: needs(needLogs), Judge: judgeRolloutDrain,
			Doc: Doc{
				What:  "Requests reach instances that are shutting down.",
				Looks: "502 or 503 during deploys.",
				Proof: "The errors line up with a restart of the backend; likely at most.",
				Alike: []Alike{{"backend.down", "it does not come back"}},
				Fix:   "Drain first, delay the shutdown.", Prevent: "Readiness before traffic, drain before stop.",
			},
		},
		{
			ID: "backend.selinux-denied", Family: "I", Title: "a security module denies the proxy's connect", Codes: []int{502, 503}, Where: onTheHost,
			Needs: needs(needLogs), Judge: judgeSELinux,
			Doc: Doc{
				What:  "A security module denies the proxy's connect to its backend.",
				Looks: "502 or 503 while the backend answers others.",
				Proof: "An AVC for name_connect in the audit log, and error 13 in the proxy's log.",
				Alike: []Alike{{"backend.down", "error 111, not 13"}},
				Fix:   "Set the boolean or policy.", Prevent: "Test in enforcing mode.",
			},
		},
	}
}
