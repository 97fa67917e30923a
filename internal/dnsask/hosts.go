package dnsask

import (
	"bufio"
	"io"
	"net/netip"
	"os"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// HostsFile is the resolver's name in answers from /etc/hosts.
const HostsFile = "hosts file"

// hostsPath is where Unix systems keep names that need no DNS.
const hostsPath = "/etc/hosts"

// maxHosts bounds how much of the file is read; ad-blocking files have some
// megabytes.
const maxHosts = 16 << 20

// Hosts is what this machine's hosts file says of a name; ok is false when it
// says nothing. Visitors do not see it: it only matters where DNS knows nothing.
func Hosts(name, role string) (d fact.DNS, ok bool) {
	f, err := os.Open(hostsPath)
	if err != nil {
		return fact.DNS{}, false
	}
	defer f.Close()
	return readHosts(f, name, role)
}

func readHosts(r io.Reader, name, role string) (fact.DNS, bool) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	d := fact.DNS{Name: name, Role: role, Resolver: HostsFile, RCode: "NOERROR", A: []netip.Addr{}, AAAA: []netip.Addr{}, CNAME: []string{}}
	sc := bufio.NewScanner(io.LimitReader(r, maxHosts))
	for sc.Scan() {
		line, _, _ := strings.Cut(sc.Text(), "#")
		ws := strings.Fields(line)
		if len(ws) < 2 {
			continue
		}
		a, err := netip.ParseAddr(ws[0])
		if err != nil || !names(ws[1:], name) || len(d.A)+len(d.AAAA) >= maxAddrs {
			continue
		}
		if a = a.Unmap().WithZone(""); originward.FamilyOf(a) == originward.IP4 {
			d.A = append(d.A, a)
		} else {
			d.AAAA = append(d.AAAA, a)
		}
	}
	return d, len(d.A)+len(d.AAAA) > 0
}

func names(ws []string, name string) bool {
	for _, w := range ws {
		if strings.EqualFold(strings.TrimSuffix(w, "."), name) {
			return true
		}
	}
	return false
}
