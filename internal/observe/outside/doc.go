// Package outside looks at an origin from any network, straight, past the CDN:
// what DNS says of the names, and how every origin address answers on every
// port, by the same dialer that the edge uses.
//
// It observes and never judges. Every address, port and family is asked on its
// own and all at once under one budget; a second look with something changed
// follows only where it would part look-alikes (plan.go, which is pure). Its
// own network is looked at first, so that a target is never blamed for it.
package outside
