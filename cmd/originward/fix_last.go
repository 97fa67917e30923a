package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/diagnose"
)

// lastRun is the last diagnosis of this user: what was asked, from where, and
// the evidence.
type lastRun struct {
	Target    string          `json:"target"`
	Origins   []string        `json:"origins,omitempty"`
	Edge      string          `json:"edge,omitempty"`
	Resolvers []string        `json:"resolvers,omitempty"`
	SSLMode   string          `json:"ssl_mode,omitempty"`
	CDN       string          `json:"cdn,omitempty"`
	CDNAPI    string          `json:"cdn_api,omitempty"`
	TokenFile string          `json:"cdn_token_file,omitempty"`
	SSH       string          `json:"ssh,omitempty"`
	Sudo      bool            `json:"sudo,omitempty"`
	CAFile    string          `json:"ca_file,omitempty"`
	Patient   bool            `json:"patient,omitempty"`
	Bundle    json.RawMessage `json:"bundle"`
}

// lastFile is where the last diagnosis is kept for this user.
func lastFile() (string, error) {
	dir, err := stateDir()
	return filepath.Join(dir, "last.json"), err
}

// stateDir is where this user's state is kept.
func stateDir() (string, error) {
	if os.Geteuid() == 0 {
		return "/var/lib/originward", nil
	}
	dir := os.Getenv("XDG_STATE_HOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "originward"), nil
}

// keepLast keeps a diagnosis for `originward fix --last`. It is a convenience:
// where it cannot be kept, nothing is said.
func (o *lookOptions) keepLast(target string, b *originward.Bundle) {
	path, err := lastFile()
	if err != nil {
		return
	}
	raw, err := json.Marshal(b)
	if err != nil {
		return
	}
	out, err := json.Marshal(lastRun{
		Target: target, Origins: o.origins, Edge: o.edge, Resolvers: o.resolvers, SSLMode: o.sslMode, CDN: o.cdn, CDNAPI: o.cdnAPI,
		TokenFile: absolute(o.cdnTokenFile), SSH: o.ssh, Sudo: o.sshSudo, CAFile: absolute(o.caFile), Patient: o.patient, Bundle: raw,
	})
	if err != nil || os.MkdirAll(filepath.Dir(path), 0o700) != nil {
		return
	}
	tmp := path + ".part"
	if os.WriteFile(tmp, out, 0o600) == nil {
		_ = os.Rename(tmp, path)
	}
}

func absolute(path string) string {
	if path == "" {
		return ""
	}
	if a, err := filepath.Abs(path); err == nil {
		return a
	}
	return path
}

// loadLast reads the last diagnosis; flags that are given now win.
func (o *lookOptions) loadLast() (*originward.Bundle, string, error) {
	path, err := lastFile()
	if err != nil {
		return nil, "", err
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, "", fmt.Errorf("no last diagnosis of this user: %w", err)
	}
	var l lastRun
	if err := json.Unmarshal(raw, &l); err != nil {
		return nil, "", fmt.Errorf("%s: %w", path, err)
	}
	var b originward.Bundle
	if err := json.Unmarshal(l.Bundle, &b); err != nil {
		return nil, "", fmt.Errorf("%s: %w", path, err)
	}
	for i := range b.Evidence {
		if err := fact.Type(&b.Evidence[i]); err != nil {
			return nil, "", fmt.Errorf("%s: %w", path, err)
		}
	}
	for _, f := range []struct{ to, from *string }{
		{&o.edge, &l.Edge}, {&o.sslMode, &l.SSLMode}, {&o.cdn, &l.CDN}, {&o.cdnAPI, &l.CDNAPI}, {&o.cdnTokenFile, &l.TokenFile}, {&o.ssh, &l.SSH}, {&o.caFile, &l.CAFile},
	} {
		if *f.to == "" {
			*f.to = *f.from
		}
	}
	if len(o.origins) == 0 {
		o.origins = l.Origins
	}
	if len(o.resolvers) == 0 {
		o.resolvers = l.Resolvers
	}
	o.sshSudo, o.patient = o.sshSudo || l.Sudo, o.patient || l.Patient
	if _, err := diagnose.ParseSite(l.Target); err != nil {
		return nil, "", fmt.Errorf("%s: %w", path, err)
	}
	return &b, l.Target, nil
}
