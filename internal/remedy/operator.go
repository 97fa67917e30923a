package remedy

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// login is a connection by which a person works on this host.
type login struct {
	Client netip.Addr
	Server netip.AddrPort
}

func (l login) String() string { return l.Client.String() + " to " + l.Server.String() }

// logins are the SSH connection of this process, as the environment of it or of
// a parent says (sudo drops it), and every connection that sshd holds.
func logins() []login {
	var out []login
	add := func(l login, ok bool) {
		if ok && !l.Client.IsLoopback() && !slices.Contains(out, l) {
			out = append(out, l)
		}
	}
	add(parseSSH(os.Getenv("SSH_CONNECTION")))
	for pid, n := os.Getppid(), 0; pid > 1 && n < 20; n++ {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err != nil {
			break
		}
		for _, kv := range strings.Split(string(raw), "\x00") {
			if v, ok := strings.CutPrefix(kv, "SSH_CONNECTION="); ok {
				add(parseSSH(v))
			}
		}
		pid = parentOf(pid)
	}
	for _, l := range sshdLogins() {
		add(l, true)
	}
	return out
}

// parseSSH reads SSH_CONNECTION: client address and port, server address and
// port (ssh(1), ENVIRONMENT).
func parseSSH(s string) (login, bool) {
	f := strings.Fields(s)
	if len(f) != 4 {
		return login{}, false
	}
	client, err1 := netip.ParseAddr(f[0])
	server, err2 := netip.ParseAddr(f[2])
	port, err3 := strconv.ParseUint(f[3], 10, 16)
	if err1 != nil || err2 != nil || err3 != nil {
		return login{}, false
	}
	return login{client.Unmap().WithZone(""), netip.AddrPortFrom(server.Unmap().WithZone(""), uint16(port))}, true
}

func parentOf(pid int) int {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	text := string(raw)
	f := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(f) < 2 {
		return 0
	}
	n, _ := strconv.Atoi(f[1])
	return n
}

// sshdLogins are the established connections of processes named sshd.
func sshdLogins() []login {
	inodes := map[string]bool{}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		comm, err := os.ReadFile(filepath.Join(dir, "comm"))
		if err != nil || !strings.HasPrefix(string(comm), "sshd") && !strings.HasPrefix(string(comm), "dropbear") {
			continue
		}
		fds, _ := filepath.Glob(filepath.Join(dir, "fd", "*"))
		for _, fd := range fds {
			if to, err := os.Readlink(fd); err == nil && strings.HasPrefix(to, "socket:[") {
				inodes[strings.TrimSuffix(strings.TrimPrefix(to, "socket:["), "]")] = true
			}
		}
	}
	if len(inodes) == 0 {
		return nil
	}
	var out []login
	for _, name := range []string{"tcp", "tcp6"} {
		f, err := os.Open("/proc/self/net/" + name)
		if err != nil {
			continue
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			w := strings.Fields(lines.Text())
			if len(w) < 10 || w[3] != "01" || !inodes[w[9]] { // 01 = ESTABLISHED
				continue
			}
			local, ok1 := procAddr(w[1])
			remote, ok2 := procAddr(w[2])
			if ok1 && ok2 {
				out = append(out, login{remote.Addr(), local})
			}
		}
		_ = f.Close()
	}
	return out
}

// procAddr reads an address and port of /proc/net/tcp: words of the machine's
// byte order in hexadecimal.
func procAddr(s string) (netip.AddrPort, bool) {
	host, port, ok := strings.Cut(s, ":")
	raw, err := hex.DecodeString(host)
	p, err2 := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil || err2 != nil || len(raw) != 4 && len(raw) != 16 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.BigEndian.PutUint32(raw[i:], binary.NativeEndian.Uint32(raw[i:]))
	}
	a, _ := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(a.Unmap(), uint16(p)), true
}
