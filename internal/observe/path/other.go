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

func tryMTU(context.Context, netip.Addr) fact.MTU { return fact.MTU{} }
