package nginx

import (
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"

	"github.com/originward/originward/internal/observe/host/rootfs"
	"github.com/originward/originward/internal/observe/host/webconfig/conf"
)

func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"events {}\nhttp { server { listen 80; return 444; } }",
		"http { geo $a { default 0; 104.16.0.0/13 1; } map $a $b { 1 \"\"; default $binary_remote_addr; } limit_req_zone $b zone=z:1m rate=1r/s; server { if ($a) { return 403; } limit_req zone=z; } }",
		"http { server { listen [::]:443 ssl; listen unix:/x; allow 10.0.0.0/8; deny all; } }",
		"http { server { proxy_pass http://[::1]:99999/; set $x $x; proxy_pass $x; } }",
		"}}}}{{{{;;;;", "http {", "a \"b", "include nginx.conf;", "content_by_lua_block { x = '}' }", "map $a $a { ~(((( x; }",
		"stream { server { listen 1; proxy_pass $b; } } ssl_certificate;", "rewrite; return; location; server_name; deny; limit_req; limit_conn; geo; set;",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		root := t.TempDir()
		if err := os.WriteFile(filepath.Join(root, "nginx.conf"), b, 0o644); err != nil {
			t.Fatal(err)
		}
		c, _ := Read(conf.Source{FS: rootfs.FS{Root: root}, Main: "/nginx.conf", Ranges: ranges})
		for _, e := range c.Errors {
			if !utf8.ValidString(e.Text) {
				t.Errorf("error %q is not escaped", e.Text)
			}
		}
		for _, s := range c.Sites {
			if len(s.Listens) == 0 && !s.Stream {
				t.Errorf("site without a listen: %+v", s)
			}
		}
	})
}
