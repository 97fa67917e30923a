package bans

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/observe/host/cidr"
	"github.com/originward/originward/internal/observe/host/rootfs"
	"github.com/originward/originward/internal/observe/host/webconfig"
)

// root is the document root of a site.
type root struct {
	fs     rootfs.FS
	dir    string
	server string
}

// maxRoots bounds the document roots that are looked at.
const maxRoots = 256

// roots are the document roots of every configuration.
func roots(ctx context.Context, s *survey, c *webconfig.Configs) []root {
	list, _, _ := c.All(ctx, s.env)
	var out []root
	seen := map[string]bool{}
	add := func(r root) {
		if r.dir != "" && strings.HasPrefix(r.dir, "/") && !seen[r.fs.Root+r.dir] && len(out) < maxRoots {
			seen[r.fs.Root+r.dir] = true
			out = append(out, r)
		}
	}
	for _, i := range list {
		for _, site := range i.Sites {
			add(root{i.FS, path.Clean(orRoot(site.Root)), i.Server})
		}
	}
	return slices.DeleteFunc(out, func(r root) bool { return r.dir == "/" })
}

func orRoot(dir string) string {
	if dir == "" {
		return "/"
	}
	return dir
}

var (
	denyFrom   = regexp.MustCompile(`(?i)^\s*deny\s+from\s+(.+)$`)
	requireNot = regexp.MustCompile(`(?i)^\s*require\s+not\s+ip\s+(.+)$`)
)

// htaccess lists the addresses that .htaccess files in document roots deny.
// Which of them decide is for the configuration of the server to say: only
// Apache and LiteSpeed read them, where AllowOverride permits.
func htaccess(ctx context.Context, s *survey, c *webconfig.Configs) ([]seen, []originward.NotObserved) {
	var out []seen
	var gone []originward.NotObserved
	for _, r := range roots(ctx, s, c) {
		name := path.Join(r.dir, ".htaccess")
		b, err := r.fs.Read(name, maxFile)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, rootfs.ErrTooLarge) {
				gone = append(gone, denied("htaccess", name, err)...)
			}
			continue
		}
		src := newSource("htaccess", name)
		src.Action = "403"
		src.Enforced = fact.Unknown
		if r.server != "apache" {
			src.Enforced, src.Why = fact.No, r.server+" does not read .htaccess files"
		}
		htaccessLines(s, &src, b)
		if src.Total > 0 {
			out = append(out, seen{src, escape.Shell("grep", "-niE", "deny from|require not ip", name)})
		}
	}
	return out, gone
}

func htaccessLines(s *survey, src *fact.BanSource, b []byte) {
	for i, l := range strings.Split(string(b), "\n") {
		m := denyFrom.FindStringSubmatch(l)
		if m == nil {
			m = requireNot.FindStringSubmatch(l)
		}
		if m == nil {
			continue
		}
		for _, w := range strings.Fields(m[1]) {
			p, ok := wrapperNet(w)
			if !ok {
				p, ok = wrapperNet(strings.TrimSuffix(w, ".") + ".")
			}
			if !ok {
				continue
			}
			s.add(src, entry{
				prefix: p, place: place(src.File, line{l, i + 1}),
				remove:  escape.Shell("sed", "-i", strconv.Itoa(i+1)+"s/^/#/", src.File),
				restore: escape.Shell("sed", "-i", strconv.Itoa(i+1)+"s/^#//", src.File),
			})
		}
	}
}

// wordfenceHead begins every file of the Wordfence firewall.
const wordfenceHead = "<?php exit('Access denied'); __halt_compiler(); ?>\n"

// wordfenceRecord is one block in ips.php: 16 bytes of address, the end of the
// block and its kind, both little-endian seconds and bits (the plugin's
// storage, format of 2018 to 2026).
const wordfenceRecord = 24

// wordfence reads the blocks of the WordPress plugin's firewall.
func wordfence(ctx context.Context, s *survey, c *webconfig.Configs) ([]seen, []originward.NotObserved) {
	var out []seen
	var gone []originward.NotObserved
	for _, r := range roots(ctx, s, c) {
		name := path.Join(r.dir, "wp-content/wflogs/ips.php")
		b, err := r.fs.Read(name, maxFile)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				gone = append(gone, denied("wordfence", name, err)...)
			}
			continue
		}
		src := newSource("wordfence", name)
		src.Action = "403 or 503 by the plugin"
		if !wordfenceBlocks(s, &src, b) {
			src.State, src.Why = fact.Unknown, "the file has a format that is not known"
		}
		out = append(out, seen{src, escape.Shell("xxd", name)})
	}
	return out, gone
}

func wordfenceBlocks(s *survey, src *fact.BanSource, b []byte) bool {
	b, ok := bytes.CutPrefix(b, []byte(wordfenceHead))
	if !ok || len(b)%wordfenceRecord != 0 {
		return false
	}
	for ; len(b) >= wordfenceRecord; b = b[wordfenceRecord:] {
		a := netip.AddrFrom16([16]byte(b[:16])).Unmap()
		until := time.Unix(int64(binary.LittleEndian.Uint32(b[16:20])), 0)
		if until.Before(s.env.Now()) {
			continue
		}
		s.add(src, entry{prefix: cidr.Unmap(netip.PrefixFrom(a, a.BitLen())), until: until, reason: "Wordfence block",
			remove: "unblock " + a.String() + " under Wordfence, Firewall, Blocking"})
	}
	return true
}
