package sockets

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const procTCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0050 00000000:0000 0A 00000000:00000003 00:00000000 00000000    33        0 12345 1 0000000000000000 100 0 0 10 0
   1: 0100007F:9C40 0200000A:01BB 06 00000000:00000000 00:00000000 00000000     0        0 0 3 0000000000000000
`

func TestProcNet(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the sample was taken on a little-endian machine")
	}
	var got []Diag
	if err := parseProcNet(strings.NewReader(procTCP), unix.AF_INET, Listen|TimeWait, func(d *Diag) bool { got = append(got, *d); return true }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Local != netip.MustParseAddrPort("127.0.0.1:80") || got[0].RQueue != 3 || got[0].UID != 33 || got[0].Inode != 12345 ||
		got[1].Remote != netip.MustParseAddrPort("10.0.0.2:443") {
		t.Errorf("%+v", got)
	}
	if a, ok := hexAddrPort("0000000000000000FFFF00000100007F:01BB"); !ok || a.Addr().Unmap() != netip.MustParseAddr("127.0.0.1") || a.Port() != 443 {
		t.Errorf("%v %v", a, ok)
	}
	for _, bad := range []string{"h\n 0: x\n", "h\n 0: 0100007F:0050 00000000:0000 ZZ 0:0 0:0 0 0 0 1 1\n", "h\n 0: 01:0050 00000000:0000 0A 0:0 0:0 0 0 0 1 1\n"} {
		if err := parseProcNet(strings.NewReader(bad), unix.AF_INET, Listen, func(*Diag) bool { return true }); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

// TestBothWaysAgree lists this machine's own sockets over netlink and over
// procfs: the fallback must see the same listeners.
func TestBothWaysAgree(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	want := l.Addr().(*net.TCPAddr).AddrPort()
	find := func(list func(f func(*Diag) bool) error) (found Diag) {
		t.Helper()
		err := list(func(d *Diag) bool {
			if d.Local == want {
				found = *d
			}
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	a := find(func(f func(*Diag) bool) error { return Dump(t.Context(), unix.AF_INET, Listen, f) })
	b := find(func(f func(*Diag) bool) error { return readProcNet("/proc", unix.AF_INET, Listen, f) })
	if a.Inode == 0 || a.Inode != b.Inode || a.UID != b.UID || a.WQueue == 0 {
		t.Errorf("netlink %+v, procfs %+v", a, b)
	}
}

func FuzzMessages(f *testing.F) {
	msg := make([]byte, unix.NLMSG_HDRLEN+msgLen+12)
	binary.NativeEndian.PutUint32(msg, uint32(len(msg)))
	binary.NativeEndian.PutUint16(msg[4:], diagByFamily)
	msg[16] = unix.AF_INET6
	a := msg[unix.NLMSG_HDRLEN+msgLen:]
	binary.NativeEndian.PutUint16(a, 12)
	binary.NativeEndian.PutUint16(a[2:], attrCgroupID)
	f.Add(msg)
	f.Add(append([]byte{0, 0, 0, 1}, msg...))
	f.Add([]byte{20, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		_, _ = messages(b, func(*Diag) bool { n++; return true })
		if n*unix.NLMSG_HDRLEN > len(b) {
			t.Errorf("%d sockets in %d bytes", n, len(b))
		}
	})
}

func FuzzProcNet(f *testing.F) {
	f.Add(procTCP)
	f.Add("\n:\n")
	f.Fuzz(func(t *testing.T, s string) {
		_ = parseProcNet(strings.NewReader(s), unix.AF_INET6, ^uint32(0), func(*Diag) bool { return true })
	})
}

func TestSocketInode(t *testing.T) {
	for in, want := range map[string]uint32{"socket:[123]": 123, "socket:[x]": 0, "pipe:[1]": 0, "socket:[99999999999]": 0} {
		if got, ok := socketInode(in); ok != (want != 0) || ok && got != want {
			t.Errorf("%s: %d", in, got)
		}
	}
}

func BenchmarkListen(b *testing.B) {
	for b.Loop() {
		_ = Dump(b.Context(), unix.AF_INET, Listen, func(*Diag) bool { return true })
	}
}
