package webconfig

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/originward/originward/internal/observe/host/procs"
	"github.com/originward/originward/internal/observe/host/rootfs"
)

// maxBinary bounds the executable that is searched; OpenResty has 20 MiB.
const maxBinary = 64 << 20

// builtInto gives the paths that were compiled into nginx, from the configure
// arguments that every build carries for `nginx -V`. Reading them runs nothing
// and works for a container's nginx too.
func builtInto(fs rootfs.FS, candidates []string) map[string]string {
	for _, c := range candidates {
		if c == "" {
			continue
		}
		f, err := fs.Open(c)
		if err != nil {
			continue
		}
		args := configureArguments(io.LimitReader(f, maxBinary))
		f.Close()
		if len(args) > 0 {
			return args
		}
	}
	return nil
}

// configureArguments finds the text "--prefix=… --conf-path=…" in a binary.
func configureArguments(r io.Reader) map[string]string {
	const chunk, overlap = 1 << 20, 16 << 10
	buf := make([]byte, 0, chunk+overlap)
	key := []byte("--conf-path=")
	for {
		n, err := io.ReadFull(r, buf[len(buf):chunk+overlap])
		buf = buf[:len(buf)+n]
		if i := bytes.Index(buf, key); i >= 0 && (i < chunk || err != nil) {
			start := bytes.LastIndexByte(buf[:i], 0) + 1
			end := bytes.IndexByte(buf[i:], 0)
			if end < 0 {
				end = len(buf) - i
			}
			return flags(string(buf[start : i+end]))
		}
		if err != nil {
			return nil
		}
		keep := copy(buf[:overlap], buf[len(buf)-overlap:])
		buf = buf[:keep]
	}
}

func flags(s string) map[string]string {
	out := map[string]string{}
	for _, f := range strings.Fields(s) {
		k, v, ok := strings.Cut(strings.TrimPrefix(f, "--"), "=")
		if ok && strings.HasPrefix(f, "--") {
			out[k] = strings.Trim(v, "'")
		}
	}
	return out
}

// environment is the process's environment, or what Debian's envvars file
// would give it. Names that look like secrets are left out: what is filled in
// can be shown.
func environment(fs rootfs.FS, p procs.Process) map[string]string {
	out := map[string]string{}
	if p.Dir() != "" {
		if b, err := os.ReadFile(filepath.Join(p.Dir(), "environ")); err == nil && len(b) > 0 {
			for _, kv := range strings.Split(string(b), "\x00") {
				if k, v, ok := strings.Cut(kv, "="); ok && !secret(k) {
					out[k] = v
				}
			}
			return out
		}
	}
	b, _ := fs.Read("/etc/apache2/envvars", 64<<10)
	for _, l := range strings.Split(string(b), "\n") {
		l, ok := strings.CutPrefix(strings.TrimSpace(l), "export ")
		k, v, eq := strings.Cut(l, "=")
		if ok && eq && !secret(k) {
			v = strings.Trim(strings.ReplaceAll(v, "$SUFFIX", ""), `"'`)
			out[k] = v
		}
	}
	return out
}

func secret(name string) bool {
	name = strings.ToUpper(name)
	for _, s := range []string{"KEY", "TOKEN", "SECRET", "PASS", "CREDENTIAL", "AUTH"} {
		if strings.Contains(name, s) {
			return true
		}
	}
	return false
}
