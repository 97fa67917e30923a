package exchange

// sysKind is what an operating system error means for an exchange.
type sysKind uint8

const (
	sysNone        sysKind = iota // no operating system error
	sysRefused                    // the peer answered with a refusal
	sysReset                      // the connection was reset
	sysPipe                       // writing on a connection that the peer closed or reset
	sysTimeout                    // the kernel gave up
	sysUnreachable                // no route, or a router or firewall said so
	sysNoAddress                  // no local address or port to connect from
	sysOurs                       // the observer's own limit or policy
	sysOther
)
