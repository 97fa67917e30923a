//go:build !linux

package path

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"

	"github.com/originward/originward/fact"
)

// ask needs the error queue of Linux.
func ask(context.Context, netip.AddrPort, int) answer {
	return answer{err: fmt.Errorf("not on %s: %w", runtime.GOOS, errors.ErrUnsupported)}
}

// MTU needs sockets that only Linux has in this form; elsewhere nothing is known.
func MTU(context.Context, netip.Addr) fact.MTU { return fact.MTU{} }
