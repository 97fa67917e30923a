package causes

// tunnelCauses is family F: origins behind a connector.
func tunnelCauses() []Cause {
	return []Cause{
		{
			ID: "tunnel.egress-blocked", Family: "F", Title: "the connector cannot reach the CDN", Codes: []int{530, 1033}, Where: onTheHost,
			Needs: needs(needTunnel), Judge: judgeTunnelEgress,
			Doc: Doc{
				What:  "The connector cannot reach the CDN: its way out over UDP or TCP, its DNS, or the provider blocks it.",
				Looks: "530 with 1033.",
				Proof: "The connector has no connection, and its log shows dial time-outs or failed look-ups of the edge.",
				Alike: []Alike{{"tunnel.record-stale", "a connector is connected, and the record names another tunnel"}},
				Fix:   "Open 7844 outwards, fall back to http2, repair the container's DNS.", Prevent: "Watch the connector's ready endpoint.",
			},
		},
		{
			ID: "tunnel.record-stale", Family: "F", Title: "the record points to another tunnel", Codes: []int{530, 1033}, Where: atTheCDN,
			Needs: needs(needRecords, needTunnel), Judge: judgeTunnelRecordStale,
			Doc: Doc{
				What:  "The hostname's record points to a deleted or different tunnel.",
				Looks: "530 with 1033 while the connector is healthy.",
				Proof: "The tunnel id in the CNAME is not that of the running connector.",
				Alike: []Alike{{"tunnel.egress-blocked", "no connector is connected"}},
				Fix:   "Re-point or delete the record.", Prevent: "Write the record when the tunnel is made.",
			},
		},
		{
			ID: "tunnel.localhost-in-container", Family: "F", Title: "localhost in the connector's container is not the host", Codes: []int{502}, Where: onTheHost,
			Needs: needs(needTunnel), Judge: judgeTunnelLocalhost,
			Doc: Doc{
				What:  "The ingress rule says localhost, and the connector runs in its own container.",
				Looks: "502.",
				Proof: "The connector's log shows that 127.0.0.1 or [::1] refuses, it runs in its own network, and the service listens elsewhere.",
				Alike: []Alike{{"tunnel.origin-ipv6-localhost", "only [::1] refuses; 127.0.0.1 answers"}, {"backend.down", "the service listens nowhere"}},
				Fix:   "Use the service's name, the host's gateway or host networking.", Prevent: "Never write localhost into a container's configuration.",
			},
		},
		{
			ID: "tunnel.origin-ipv6-localhost", Family: "F", Title: "localhost is ::1 and the service listens on IPv4", Codes: []int{502}, Where: onTheHost,
			Needs: needs(needTunnel), Judge: judgeTunnelIPv6Localhost,
			Doc: Doc{
				What:  "localhost resolves to ::1 first, and the service listens on IPv4 only.",
				Looks: "502.",
				Proof: "The connector's log names [::1], and the service's socket is IPv4 only.",
				Alike: []Alike{{"tunnel.localhost-in-container", "127.0.0.1 refuses too"}},
				Fix:   "Write 127.0.0.1.", Prevent: "Write addresses, not localhost.",
			},
		},
		{
			ID: "tunnel.origin-tls-untrusted", Family: "F", Title: "the connector does not trust the origin's certificate", Codes: []int{502, 526}, Where: onTheHost,
			Needs: needs(needTunnel), Judge: judgeTunnelUntrusted,
			Doc: Doc{
				What:  "The connector does not trust the certificate of the service behind it.",
				Looks: "502 or 526.",
				Proof: "The connector's log has an x509 error.",
				Alike: []Alike{{"tunnel.scheme-mismatch", "the log names a record error, not a certificate"}},
				Fix:   "Set the origin server name or CA, or use http locally.", Prevent: "Use http on the same machine.",
			},
		},
		{
			ID: "tunnel.scheme-mismatch", Family: "F", Title: "the tunnel's rule speaks the wrong scheme", Codes: []int{502, 400}, Where: onTheHost,
			Needs: needs(needTunnel), Judge: judgeTunnelScheme,
			Doc: Doc{
				What:  "The rule's scheme does not fit the service: http to a TLS port, or the reverse.",
				Looks: "502, or the service's own 400.",
				Proof: "The service speaks the other scheme when asked, or the log shows a TLS record error.",
				Alike: []Alike{{"tunnel.origin-tls-untrusted", "the handshake works and the certificate is refused"}},
				Fix:   "Change the scheme.", Prevent: "Test the rule's service with curl on the connector's machine.",
			},
		},
		{
			ID: "tunnel.connector-bug", Family: "F", Title: "the connector is outdated or faulty", Codes: []int{526, 502}, Where: onTheHost,
			Needs: needs(needTunnel), Judge: judgeTunnelBug,
			Doc: Doc{
				What:  "An outdated or faulty connector.",
				Looks: "526 or 502.",
				Proof: "The same configuration works with another version; likely at most without that test.",
				Alike: []Alike{{"tunnel.egress-blocked", "the connector has no connection"}},
				Fix:   "Update.", Prevent: "Keep the connector up to date.",
			},
		},
	}
}
