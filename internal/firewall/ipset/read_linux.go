package ipset

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/originward/originward/internal/firewall/nfnl"
)

// Commands (IPSET_CMD_*) and the protocol that reports a set's index.
const (
	cmdList  = 7
	protocol = 7
)

// attempts is how often a listing that a change interrupted is started over.
const attempts = 5

// Read lists every ipset of the thread's network namespace. A kernel without ipset has none: that is no error.
func Read(ctx context.Context, max int) (*Decoder, error) {
	for range attempts {
		d, intr, err := readOnce(ctx, max)
		switch {
		case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EOPNOTSUPP):
			return NewDecoder(max), nil
		case err != nil:
			return nil, fmt.Errorf("list ipsets: %w", err)
		case !intr:
			d.Finish()
			return d, nil
		}
	}
	return nil, errors.New("list ipsets: they kept changing while they were read")
}

func readOnce(ctx context.Context, max int) (d *Decoder, interrupted bool, err error) {
	conn, err := nfnl.Dial()
	if err != nil {
		return nil, false, err
	}
	defer conn.Close()
	var b nfnl.Builder
	b.PutU8(1, protocol)
	d = NewDecoder(max)
	interrupted, err = conn.Dump(ctx, nfnl.Message{Type: nfnl.SubsysIPSet<<8 | cmdList, Family: unix.AF_INET, Attrs: b.B}, d.Message)
	return d, interrupted, err
}
