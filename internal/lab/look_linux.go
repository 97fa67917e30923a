package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// Look says which vantages a diagnosis of a world has.
type Look struct {
	Without []originward.Vantage // vantages left out
	Args    []string             // more arguments of diagnose
}

func (l Look) has(v originward.Vantage) bool {
	for _, w := range l.Without {
		if w == v {
			return false
		}
	}
	return true
}

// CollectHost runs `originward host` on the origin and leaves its evidence in
// a file.
func (s *Stage) CollectHost(ctx context.Context) (file string, err error) {
	exe, args := installed, []string{"host", Site, "--origin", Origin4.String(), "--origin", Origin6.String()}
	if s.World.Shared { // asked without any hint, as someone in a hurry would
		exe, args = s.Exe, []string{"host"}
	}
	out, err := s.Origin.Run(ctx, exe, args...)
	if err != nil {
		return "", fmt.Errorf("collect host evidence: %w", err)
	}
	file = filepath.Join(s.Dir, "host.json")
	return file, os.WriteFile(file, []byte(out), 0o600)
}

// Diagnose runs `originward diagnose` where the visitor stands.
func (s *Stage) Diagnose(ctx context.Context, l Look) (*originward.Diagnosis, error) {
	args := []string{"diagnose", s.url(), "--format", "json", "--ca-file", s.caFile(), "--save", s.bundle(),
		"--resolver", netip.AddrPortFrom(Resolver, 53).String()}
	if l.has(originward.Edge) {
		args = append(args, "--edge", s.World.front().String())
	}
	if l.has(originward.Outside) {
		for _, a := range s.origins() {
			args = append(args, "--origin", a)
		}
	}
	if l.has(originward.CDN) {
		args = append(args, "--cdn-api", s.apiURL(), "--cdn-token-file", s.tokenFile())
	}
	if l.has(originward.Host) {
		file, err := s.CollectHost(ctx)
		if err != nil {
			return nil, err
		}
		args = append(args, "--host-evidence", file)
	}
	args = append(args, l.Args...)
	var out, errs bytes.Buffer
	cmd := s.Client.Command(ctx, s.Exe, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := s.Client.NS.Start(cmd); err != nil {
		return nil, err
	}
	return readDiagnosis(cmd.Wait(), out.Bytes(), errs.String())
}

// readDiagnosis reads what a command printed; exit statuses up to 3 are
// answers, not failures.
func readDiagnosis(err error, out []byte, errs string) (*originward.Diagnosis, error) {
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() > originward.ExitNothingSeen) {
		return nil, fmt.Errorf("diagnose: %w: %s", err, errs)
	}
	var d originward.Diagnosis
	if err := json.Unmarshal(out, &d); err != nil {
		return nil, fmt.Errorf("diagnose printed no diagnosis: %w: %s", err, errs)
	}
	for i := range d.Evidence {
		if err := fact.Type(&d.Evidence[i]); err != nil {
			return nil, err
		}
	}
	if got := d.ExitCode(); exit == nil && got != 0 || exit != nil && got != exit.ExitCode() {
		return nil, fmt.Errorf("diagnose: exit status does not agree with its diagnosis (%d)", got)
	}
	return &d, nil
}

// Without explains the last bundle again with every item of the vantages taken
// out, as a stranger would take them out: by the JSON alone.
func (s *Stage) Without(ctx context.Context, vs ...originward.Vantage) (*originward.Diagnosis, error) {
	return explainWithout(ctx, s.Exe, s.bundle(), vs)
}

func explainWithout(ctx context.Context, exe, bundle string, vs []originward.Vantage) (*originward.Diagnosis, error) {
	raw, err := os.ReadFile(bundle)
	if err != nil {
		return nil, err
	}
	cut, err := cutVantages(raw, vs)
	if err != nil {
		return nil, err
	}
	file := bundle + ".cut"
	if err := os.WriteFile(file, cut, 0o600); err != nil {
		return nil, err
	}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, exe, "explain", file, "--format", "json")
	cmd.Stdout, cmd.Stderr = &out, &errs
	return readDiagnosis(cmd.Run(), out.Bytes(), errs.String())
}

// bundle is where the last diagnosis saved its evidence.
func (s *Stage) bundle() string { return filepath.Join(s.Dir, "bundle.json") }

func (s *Stage) url() string {
	if s.World.URL != "" {
		return s.World.URL
	}
	return "https://" + Site + "/"
}

// origins are the addresses behind the site's proxied records, as their owner
// knows them.
func (s *Stage) origins() []string {
	var out []string
	for _, r := range s.records() {
		if r.Name == Site {
			out = append(out, r.Content)
		}
	}
	return out
}
