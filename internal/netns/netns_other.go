//go:build !linux

package netns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
)

var errUnsupported = fmt.Errorf("network namespaces exist on Linux only: %w", errors.ErrUnsupported)

// NS is a network namespace.
type NS struct{}

// Supported tells why namespaces cannot be made here.
func Supported() error { return errUnsupported }

// Create fails on this system.
func Create(string) (*NS, error) { return nil, errUnsupported }

// Connect fails on this system.
func Connect(*NS, End, *NS, End) error { return errUnsupported }

// Sweep has nothing to do on this system.
func Sweep() ([]string, error) { return nil, nil }

// Name is empty on this system.
func (n *NS) Name() string { return "" }

// Close does nothing on this system.
func (n *NS) Close() error { return nil }

// Do fails on this system.
func (n *NS) Do(func() error) error { return errUnsupported }

// Start fails on this system.
func (n *NS) Start(*exec.Cmd) error { return errUnsupported }

// Run fails on this system.
func (n *NS) Run(context.Context, string, ...string) (string, error) { return "", errUnsupported }

// RunInput fails on this system.
func (n *NS) RunInput(context.Context, string, string, ...string) (string, error) {
	return "", errUnsupported
}

// Listen fails on this system.
func (n *NS) Listen(string, string) (net.Listener, error) { return nil, errUnsupported }

// Sysctl fails on this system.
func (n *NS) Sysctl(string, string) error { return errUnsupported }

// AddAddr fails on this system.
func (n *NS) AddAddr(string, netip.Prefix) error { return errUnsupported }

// SetLink fails on this system.
func (n *NS) SetLink(string, bool) error { return errUnsupported }

// AddRoute fails on this system.
func (n *NS) AddRoute(Route) error { return errUnsupported }
