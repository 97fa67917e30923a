// Package tunnel reads the state of a tunnel connector on this host.
package tunnel
