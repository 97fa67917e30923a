package causes

// certOf are the causes of which a refused certificate can be the consequence.
var certOf = ids("tls.cert-not-reloaded", "tls.acme-blocked-by-proxy", "dns.stale-address", "dns.duplicate-records")

// certificateCauses is the first part of family G: the certificate itself.
func certificateCauses() []Cause {
	return []Cause{
		{
			ID: "tls.cert-expired", Family: "G", Title: "the certificate has expired", Codes: []int{526}, Where: onTheHost,
			Needs: needs(needDirect, needHost("certificates", lookCerts.How)), After: append(certOf, "tls.clock-skew"), Judge: judgeCertExpired,
			Doc: Doc{
				What:  "The certificate that the origin serves is past its end date.",
				Looks: "526 in strict modes; nothing at all in full.",
				Proof: "notAfter of the served certificate, read with the right server name from outside, and a mode that checks.",
				Alike: []Alike{{"tls.cert-not-reloaded", "the file on disk is renewed: compare serials"}, {"tls.clock-skew", "a clock is wrong"}},
				Fix:   "Renew; break the deadlock with a DNS challenge or, for an hour, a lower mode.", Prevent: "Renew from a timer, and watch the served date through the edge.",
			},
		},
		{
			ID: "tls.cert-not-reloaded", Family: "G", Title: "the renewed certificate was never loaded", Codes: []int{526}, Where: onTheHost,
			Needs: needs(needDirect, needHost("certificates", lookCerts.How)), Judge: judgeNotReloaded,
			Doc: Doc{
				What:  "The file on disk is renewed, and the process still serves the old one.",
				Looks: "526 with an old date.",
				Proof: "Serial or dates of the served certificate differ from the file's, which is good.",
				Alike: []Alike{{"tls.cert-expired", "the file is old too"}},
				Fix:   "Reload or restart after the renewal (deploy hook).", Prevent: "A deploy hook with every renewal.",
			},
		},
		{
			ID: "tls.cert-default-or-self-signed", Family: "G", Title: "no authority vouches for the certificate", Codes: []int{526}, Where: onTheHost,
			Needs: needs(needDirect), After: certOf, Judge: judgeSelfSigned,
			Doc: Doc{
				What:  "The origin serves a default, self-signed or privately issued certificate while the mode verifies it.",
				Looks: "526 in strict modes.",
				Proof: "Issuer equals subject, or an issuer that the edge does not trust, and a mode that checks.",
				Alike: []Alike{{"tls.chain-incomplete", "a trusted issuer exists, and its certificate was not sent"}},
				Fix:   "Install an origin CA or public certificate, or lower the mode knowingly.", Prevent: "Use the CDN's origin CA.",
			},
		},
		{
			ID: "tls.cert-name-mismatch", Family: "G", Title: "the certificate does not cover the name", Codes: []int{526}, Where: onTheHost,
			Needs: needs(needDirect), After: certOf, Judge: judgeNameMismatch,
			Doc: Doc{
				What:  "The certificate does not cover the name that the CDN verifies.",
				Looks: "526; CloudFront 502.",
				Proof: "The certificate's names against the name that the CDN sends, on the server's own address.",
				Alike: []Alike{{"dns.stale-address", "the address is another tenant's now: compare with the host's"}},
				Fix:   "Issue for that name, or change the origin name or host override.", Prevent: "Renew with all names of the site.",
			},
		},
	}
}

// trustCauses is the second part of family G: what a certificate needs beside it.
func trustCauses() []Cause {
	return []Cause{
		{
			ID: "tls.chain-incomplete", Family: "G", Title: "the intermediate certificate is not sent", Codes: []int{526}, Where: onTheHost,
			Needs: needs(needDirect), After: ids("dns.stale-address", "tls.cert-not-reloaded"), Judge: judgeChainIncomplete,
			Doc: Doc{
				What:  "The intermediate certificate is not sent.",
				Looks: "526, while browsers are happy: they fetch or remember intermediates.",
				Proof: "The handshake delivers too few certificates, and verification needs another.",
				Alike: []Alike{{"healthy", "count the certificates in the handshake; do not trust browsers"}},
				Fix:   "Serve the full chain.", Prevent: "Install fullchain.pem, never cert.pem.",
			},
		},
		{
			ID: "tls.cert-revoked", Family: "G", Title: "the certificate is revoked", Codes: []int{526}, Where: onTheHost,
			Needs: needs(needDirect), After: certOf, Judge: judgeRevoked,
			Doc: Doc{
				What:  "The issuer has revoked the certificate, and the server staples that answer itself.",
				Looks: "526 in strict modes.",
				Proof: "The stapled OCSP answer says revoked.",
				Alike: []Alike{{"tls.cert-expired", "the dates are past"}},
				Fix:   "Issue a new certificate with a new key.", Prevent: "Watch revocation of what is served.",
			},
		},
		{
			ID: "tls.clock-skew", Family: "G", Title: "a wrong clock makes the certificate invalid", Codes: []int{526, 502}, Where: onTheHost,
			Needs: needs(needDirect, needHost("clock", "compare the host's clock with another")), Judge: judgeClockSkew,
			Doc: Doc{
				What:  "A wrong clock makes a valid certificate look not yet valid or expired, or stamps a wrong validity.",
				Looks: "526 after a boot or a restore.",
				Proof: "notBefore lies in the future, or the host's clock differs from a trusted time.",
				Alike: []Alike{{"tls.cert-expired", "all clocks agree"}},
				Fix:   "Synchronise before services start.", Prevent: "A time service that waits at boot.",
			},
		},
		{
			ID: "tls.acme-blocked-by-proxy", Family: "G", Title: "validation does not get through the proxy", Codes: []int{525, 526, 520}, Where: onTheHost,
			Needs: needs(needHost("", lookJobs.How)), Judge: judgeACMEBlocked,
			Doc: Doc{
				What:  "The certificate was never issued or renewed, because validation cannot get through the proxied record.",
				Looks: "526 or 525, some weeks after the record was proxied.",
				Proof: "The ACME client's log shows failed validation since, and the record is proxied.",
				Alike: []Alike{{"tls.cert-expired", "no ACME client fails"}},
				Fix:   "DNS challenge, or issue while unproxied, or origin CA.", Prevent: "DNS challenge for proxied names.",
			},
		},
	}
}

// handshakeCauses is the third part of family G: handshakes.
func handshakeCauses() []Cause {
	return []Cause{
		{
			ID: "tls.sni-unmatched", Family: "G", Title: "no virtual host matches the name", Codes: []int{525}, Where: onTheHost,
			Needs: needs(needDirect), After: ids("tls.acme-blocked-by-proxy", "dns.stale-address"), Judge: judgeSNIUnmatched,
			Doc: Doc{
				What:  "The server ends the handshake because no virtual host matches the server name.",
				Looks: "525.",
				Proof: "The handshake with the site's name ends with unrecognized_name; or with another alert, while another name completes.",
				Alike: []Alike{{"tls.version-or-cipher", "every name fails with the same alert"}, {"tls.sni-filtered", "cut without an alert, and on the host it completes"}},
				Fix:   "Add the name, or a default certificate.", Prevent: "Add the name to the virtual host before the record.",
			},
		},
		{
			ID: "tls.plain-http-on-port", Family: "G", Title: "the https port speaks plain HTTP", Codes: []int{525}, Where: onTheHost,
			Needs: needs(needDirect), After: ids("http.proxy-protocol", "listener.bind-failed"), Judge: judgePlainHTTP,
			Doc: Doc{
				What:  "The port to which the edge speaks TLS answers in plain HTTP: a virtual host without TLS, or a port published to the wrong one.",
				Looks: "525.",
				Proof: "A ClientHello is answered with something that is not TLS, and a plain HTTP request on the port works.",
				Alike: []Alike{{"http.proxy-protocol", "the port closes without an answer to both"}},
				Fix:   "Turn TLS on for that listener, or lower the mode knowingly.", Prevent: "Check with `originward preflight`.",
			},
		},
		{
			ID: "tls.version-or-cipher", Family: "G", Title: "no TLS version or cipher in common", Codes: []int{525}, Where: onTheHost,
			Needs: needs(needDirect), Judge: judgeVersionOrCipher,
			Doc: Doc{
				What:  "No common protocol version, cipher or signature algorithm.",
				Looks: "525.",
				Proof: "Alert 70 or 71 to the edge's offer; or alert 40 for every name, with a short list in the configuration.",
				Alike: []Alike{{"tls.sni-unmatched", "another name completes"}, {"tls.client-cert-required", "a client certificate was asked for"}},
				Fix:   "Widen the origin's list; match key type and cipher.", Prevent: "TLS 1.2 and 1.3 with the common suites.",
			},
		},
		{
			ID: "tls.client-cert-required", Family: "G", Title: "the origin demands a client certificate", Codes: []int{400, 403, 520, 525}, Where: onTheHost,
			Needs: needs(needDirect), Judge: judgeClientCert,
			Doc: Doc{
				What:  "The origin demands a client certificate that the CDN does not send, or sends the wrong one of.",
				Looks: "The origin's own 400 page, 520 or 525.",
				Proof: "A direct request gives `No required SSL certificate was sent`, or the handshake shows the demand and its refusal.",
				Alike: []Alike{{"cdn.rule-blocks", "the edge wrote the answer, without a word of certificates"}},
				Fix:   "Turn authenticated origin pulls on, or install the right CA.", Prevent: "Switch both sides together.",
			},
		},
		{
			ID: "tls.clienthello-split", Family: "G", Title: "a large ClientHello is lost", Codes: []int{525, 520, 522}, Where: inNetwork,
			Needs: needs(needDirect), Judge: judgeHelloSplit,
			Doc: Doc{
				What:  "A device or server drops a ClientHello that spans two packets, as with a post-quantum key share.",
				Looks: "525, sometimes 520 or 522.",
				Proof: "The handshake with a small ClientHello works, with a large one it resets or hangs.",
				Alike: []Alike{{"tls.sni-filtered", "the small one fails too"}, {"path.mtu-blackhole", "large answers are lost as well"}},
				Fix:   "Fix the device; keep post-quantum shares from that origin meanwhile.", Prevent: "Test with a large hello after changes of devices.",
			},
		},
		{
			ID: "tls.sni-filtered", Family: "G", Title: "a network between cuts handshakes by name", Codes: []int{525}, Where: inNetwork,
			Needs: needs(needDirect, needHost("", lookLocal.How)), Judge: judgeSNIFiltered,
			Doc: Doc{
				What:  "A network between CDN and origin resets handshakes by server name.",
				Looks: "525.",
				Proof: "A neutral name completes, the site's name is cut before the server sees it, and on the host itself it completes.",
				Alike: []Alike{{"tls.sni-unmatched", "the server answers with an alert"}},
				Fix:   "Register the domain, move the origin, or use another port or a tunnel.", Prevent: "Register before moving there.",
			},
		},
		{
			ID: "tls.upstream-sni-missing", Family: "G", Title: "an inner proxy speaks TLS without a name", Codes: []int{502, 503}, Where: onTheHost,
			Needs: needs(needWeb), Judge: judgeUpstreamSNI,
			Doc: Doc{
				What:  "An inner proxy speaks TLS to the next hop without a server name, or with the health check's.",
				Looks: "502 or 503 that the origin wrote.",
				Proof: "The configuration has TLS to the upstream without SNI, and the proxy's log shows the failed handshake.",
				Alike: []Alike{{"backend.wrong-port", "the upstream speaks no TLS at all"}},
				Fix:   "Turn SNI on for the upstream and for its checks.", Prevent: "proxy_ssl_server_name on, everywhere.",
			},
		},
	}
}
