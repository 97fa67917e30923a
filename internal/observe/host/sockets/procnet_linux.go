package sockets

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// readProcNet reads /proc/net/tcp or tcp6: the way when sock_diag is missing
// from the kernel or forbidden. It knows neither backlog nor drops nor v6-only.
func readProcNet(proc string, family uint8, states uint32, f func(*Diag) bool) error {
	name := "net/tcp"
	if family == unix.AF_INET6 {
		name = "net/tcp6"
	}
	file, err := os.Open(filepath.Join(proc, name))
	if err != nil {
		return fmt.Errorf("socket list: %w", err)
	}
	defer file.Close()
	return parseProcNet(file, family, states, f)
}

func parseProcNet(r io.Reader, family uint8, states uint32, f func(*Diag) bool) error {
	sc := bufio.NewScanner(r)
	sc.Scan() // header
	for sc.Scan() {
		d, err := parseProcLine(sc.Text(), family)
		if err != nil {
			return err
		}
		if states&(1<<d.State) != 0 && !f(&d) {
			return nil
		}
	}
	return sc.Err()
}

func parseProcLine(line string, family uint8) (Diag, error) {
	bad := func(what string) (Diag, error) {
		return Diag{}, fmt.Errorf("socket list: /proc/net/tcp: bad %s in %.60q", what, line)
	}
	c := strings.Fields(line)
	if len(c) < 10 {
		return bad("line")
	}
	d := Diag{Family: family}
	var ok bool
	if d.Local, ok = hexAddrPort(c[1]); !ok {
		return bad("local address")
	}
	if d.Remote, ok = hexAddrPort(c[2]); !ok {
		return bad("remote address")
	}
	st, err := strconv.ParseUint(c[3], 16, 8)
	if err != nil || st > 31 {
		return bad("state")
	}
	d.State = uint8(st)
	if _, rx, ok := strings.Cut(c[4], ":"); ok {
		q, _ := strconv.ParseUint(rx, 16, 32)
		d.RQueue = uint32(q)
	}
	uid, _ := strconv.ParseUint(c[7], 10, 32)
	inode, _ := strconv.ParseUint(c[9], 10, 32)
	d.UID, d.Inode = uint32(uid), uint32(inode)
	return d, nil
}

// hexAddrPort reads an address as groups of four bytes in the machine's order,
// and a port: "0100007F:0050".
func hexAddrPort(s string) (netip.AddrPort, bool) {
	a, p, ok := strings.Cut(s, ":")
	if !ok {
		return netip.AddrPort{}, false
	}
	b, err := hex.DecodeString(a)
	port, err2 := strconv.ParseUint(p, 16, 16)
	if err != nil || err2 != nil || (len(b) != 4 && len(b) != 16) {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	addr, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(addr, uint16(port)), true
}
