package edge

import (
	"bytes"
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"testing"
)

// h2spec is the conformance suite of HTTP/2; it is built where the test runs.
const h2spec = "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible"

var h2specLast = regexp.MustCompile(`(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed`)

// The suite passes whole against a site of the edge.
func TestH2spec(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	_, o, _ := hosts()
	ap := tlsOrigin(t, o, "localhost", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })
	w := start(t, fmt.Sprintf(`listen: {https: ['127.0.0.1:0']}
zones:
- name: localhost
  ssl: full
  records: [{type: A, name: localhost, content: %s, proxied: true}]
  rules: {origin: [{expression: ssl, action_parameters: {origin: {port: %d}}}]}
`, o, ap.Port()))
	cmd := exec.CommandContext(t.Context(), "go", "run", h2spec, "-h", "localhost", "-p", fmt.Sprint(w.tls.Port()), "-t", "-k", "--timeout", "5")
	cmd.Dir = t.TempDir() // outside any module
	var out, progress bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &progress
	err := cmd.Run()
	m := h2specLast.FindSubmatch(out.Bytes())
	if m == nil {
		t.Skipf("h2spec did not run: %v: %s", err, &progress)
	}
	if string(m[1]) != string(m[2]) || string(m[1]) == "0" {
		_, failures, _ := bytes.Cut(out.Bytes(), []byte("Failures:"))
		t.Errorf("%s\n%s", m[0], failures)
	}
	t.Logf("%s", m[0])
}
