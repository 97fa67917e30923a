package apache

import (
	"fmt"
	"strings"
	"testing"

	"github.com/originward/originward/internal/observe/host/hosttest"
	"github.com/originward/originward/internal/observe/host/webconfig/conf"
)

// A hosting machine: two thousand virtual hosts.
func BenchmarkManySites(b *testing.B) {
	text := manySites()
	fs := hosttest.Tree(b, "/", "-- apache2.conf --\n"+text)
	b.ReportAllocs()
	for b.Loop() {
		c, _ := Read(conf.Source{FS: fs, Main: "/apache2.conf", Ranges: ranges})
		if len(c.Sites) != 2000 {
			b.Fatalf("%d sites", len(c.Sites))
		}
	}
}

func manySites() string {
	var b strings.Builder
	b.WriteString(head + "Listen 80\n<Directory /var/www/>\nRequire all granted\nAllowOverride All\n</Directory>\n")
	for i := range 2000 {
		fmt.Fprintf(&b, "<VirtualHost *:80>\nServerName s%d.example\nDocumentRoot /var/www/s%d\nProxyPass /api http://127.0.0.1:%d/\n</VirtualHost>\n", i, i, 3000+i)
	}
	return b.String()
}
