package nginx

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
	fs := hosttest.Tree(b, "/", "-- nginx.conf --\n"+text)
	b.ReportAllocs()
	for b.Loop() {
		c, _ := Read(conf.Source{FS: fs, Main: "/nginx.conf", Ranges: ranges})
		if len(c.Sites) != 2000 {
			b.Fatalf("%d sites", len(c.Sites))
		}
	}
}

func manySites() string {
	var b strings.Builder
	b.WriteString("http {\n geo $bad { default 0;\n")
	for i := range 5000 {
		fmt.Fprintf(&b, "%d.%d.1.0/24 1;\n", 11+i/250, i%250)
	}
	b.WriteString("}\n")
	for i := range 2000 {
		fmt.Fprintf(&b, "server { listen 80; server_name s%d.example; if ($bad) { return 403; } location / { proxy_pass http://127.0.0.1:%d; } }\n", i, 3000+i)
	}
	b.WriteString("}\n")
	return b.String()
}
