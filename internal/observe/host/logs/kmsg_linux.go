package logs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/originward/originward/fact"
)

// maxRing bounds how many records of the kernel's ring are read; the default
// ring holds some thousands.
const maxRing = 20000

// readRing reads the kernel's own ring buffer.
func readRing(w Window, now time.Time, t *tally, ours func(netip.Addr) bool) fact.LogSource {
	s := fact.LogSource{Name: "kernel", State: stateRead}
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		s.State, s.Why = stateUnreadable, "the kernel's log needs root: "+err.Error()
		if errors.Is(err, fs.ErrNotExist) {
			s.State, s.Why = stateMissing, "there is no /dev/kmsg"
		}
		return s
	}
	defer func() { _ = unix.Close(fd) }()
	boot, err := bootTime(now)
	if err != nil {
		s.State, s.Why = stateUnreadable, err.Error()
		return s
	}
	buf := make([]byte, 8192) // the kernel's largest record
	for range maxRing {
		n, err := unix.Read(fd, buf)
		if errors.Is(err, unix.EPIPE) {
			continue // overwritten while we read: the next one is whole
		}
		if err != nil || n == 0 { // EAGAIN: the end
			break
		}
		at, text, ok := parseRecord(buf[:n], boot)
		if !ok || !w.Has(at) {
			continue
		}
		s.Lines++
		kernelLine("kernel", at, text, t, ours)
	}
	if s.Lines == 0 {
		s.State = stateEmpty
	}
	return s
}

// bootTime is the moment from which the kernel's records count.
func bootTime(now time.Time) (time.Time, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return time.Time{}, fmt.Errorf("the kernel's clock: %w", err)
	}
	return now.Add(-time.Duration(ts.Nano())), nil
}

// parseRecord reads "priority,sequence,microseconds,flags;text" (kernel
// Documentation/ABI/testing/dev-kmsg).
func parseRecord(rec []byte, boot time.Time) (at time.Time, text string, ok bool) {
	head, body, ok := bytes.Cut(rec, []byte(";"))
	if !ok {
		return at, "", false
	}
	f := strings.Split(string(head), ",")
	if len(f) < 3 {
		return at, "", false
	}
	prio, err := strconv.ParseUint(f[0], 10, 32)
	// Facility 0 is the kernel; others are what programs wrote into the ring.
	if err != nil || prio>>3 != 0 {
		return at, "", false
	}
	usec, err := strconv.ParseInt(f[2], 10, 64)
	if err != nil {
		return at, "", false
	}
	line, _, _ := bytes.Cut(body, []byte("\n"))
	return boot.Add(time.Duration(usec) * time.Microsecond), string(line), true
}
