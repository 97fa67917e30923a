package house

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/originward/originward"

// floors lists every package from the ground up. A package imports only from
// floors below its own, or from its own folder's subtree. A folder stands for
// everything beneath it; the longest match counts.
const floors = `
0 .                          vocabulary: nouns and contracts
1 fact                       typed answers to questions
1 internal/escape            foreign text made safe to show
1 internal/spell             what a mistyped word may have meant
1 internal/sock              TCP without the scheduler's ado
1 internal/handover          sockets over a change of the program
2 internal/http1             HTTP/1.1 on the wire
2 internal/cdn               ranges, ports and pages of CDNs
2 internal/dnsrec            DNS records, checked and answered
2 internal/edge/rules       the rules language, evaluated
2 internal/firewall          the packet filter's exact answer
2 internal/netns             network namespaces
3 internal/dnsask           DNS with its failures kept apart
3 internal/exchange          the heart: one exchange with an origin
3 internal/config            the edge's configuration file
3 internal/store             what the control API changes
3 internal/redact            evidence without what is its owner's alone
4 internal/observe           questions asked of the world
4 internal/edgedns           DNS for the edge's zones
4 internal/edge              the visitor's side
4 internal/preflight         what each SSL mode would answer
4 internal/causes            the catalogue
4 internal/compare          a direct exchange beside the edge's answer
5 internal/edgeapi           the edge's control API
5 internal/zonesync          zones as a document, and back
5 internal/diagnose          what to observe, and explaining it
5 internal/incident          reports of published incidents
6 internal/report            the forms a diagnosis is told in
6 internal/remedy            carrying out a fix, proving it, taking it back
7 internal/remedy/remote     the same over ssh, on a host where nothing is installed
7 internal/lab               broken worlds
7 internal/burst             diagnoses that failures begin
8 cmd/originward             the commands
8 internal/house             these rules
8 bench/edge                 the edge beside its peers
`

// bans say which imports a package must not have, and why.
var bans = []struct{ pkg, imports, why string }{
	{".", "os", "the vocabulary does no I/O"},
	{".", "net", "the vocabulary does no I/O"},
	{"fact", "os", "facts are plain data"},
	{"fact", "net", "facts are plain data"},
	{"internal/causes", "os", "judging does no I/O"},
	{"internal/causes", "net", "judging does no I/O"},
	{"internal/causes", "net/http", "judging does no I/O"},
	{"internal/causes", "os/exec", "judging does no I/O"},
	{"internal/report", "net", "a report only writes what it is given"},
	{"internal/report", "os", "a report only writes what it is given"},
	{"internal/http1", "net/http", "the codec is our own; net/http is what its tests compare with"},
}

type pkg struct {
	ImportPath string
	Imports    []string
}

func TestFloors(t *testing.T) {
	pkgs := list(t)
	if len(pkgs) < 5 {
		t.Fatalf("only %d packages found: the scan is broken", len(pkgs))
	}
	for _, problem := range append(checkFloors(pkgs), checkBans(pkgs)...) {
		t.Error(problem)
	}
}

// TestFloorsFire plants one violation of each kind: a guard that cannot fail
// guards nothing.
func TestFloorsFire(t *testing.T) {
	up := []pkg{{module + "/fact", []string{module + "/internal/report"}}}
	if len(checkFloors(up)) != 1 {
		t.Error("an import of a higher floor is not noticed")
	}
	side := []pkg{{module + "/internal/http1", []string{module + "/internal/cdn"}}}
	if len(checkFloors(side)) != 1 {
		t.Error("an import from the same floor is not noticed")
	}
	if len(checkFloors([]pkg{{module + "/internal/nowhere", nil}})) != 1 {
		t.Error("a package without a floor is not noticed")
	}
	if len(checkBans([]pkg{{module + "/internal/causes", []string{"net/http"}}})) != 1 {
		t.Error("a banned import is not noticed")
	}
}

func list(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var pkgs []pkg
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for dec.More() {
		var p pkg
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
	return pkgs
}

// floor finds the line of a package: its floor and its folder.
func floor(path string) (n int, folder string, ok bool) {
	rel := strings.TrimPrefix(strings.TrimPrefix(path, module), "/")
	if rel == "" {
		rel = "."
	}
	for _, l := range strings.Split(strings.TrimSpace(floors), "\n") {
		var f int
		var dir string
		fmt.Sscanf(l, "%d %s", &f, &dir)
		if (rel == dir || strings.HasPrefix(rel, dir+"/")) && len(dir) > len(folder) {
			n, folder, ok = f, dir, true
		}
	}
	return n, folder, ok
}

func checkFloors(pkgs []pkg) (problems []string) {
	for _, p := range pkgs {
		n, folder, ok := floor(p.ImportPath)
		if !ok {
			problems = append(problems, p.ImportPath+" has no floor: add a line to the list")
			continue
		}
		for _, imp := range p.Imports {
			if imp != module && !strings.HasPrefix(imp, module+"/") {
				continue
			}
			m, other, _ := floor(imp)
			if m >= n && other != folder {
				problems = append(problems, fmt.Sprintf("%s (floor %d) imports %s (floor %d)", p.ImportPath, n, imp, m))
			}
		}
	}
	return problems
}

func checkBans(pkgs []pkg) (problems []string) {
	for _, b := range bans {
		path := strings.TrimSuffix(module+"/"+b.pkg, "/.")
		for _, p := range pkgs {
			if p.ImportPath == path && slices.Contains(p.Imports, b.imports) {
				problems = append(problems, fmt.Sprintf("%s imports %s: %s", path, b.imports, b.why))
			}
		}
	}
	return problems
}
