package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/originward/originward"
)

const apiToken = "lab-token-0123456789abcdef0123456789"

func (s *Stage) tokenFile() string { return filepath.Join(s.Dir, "token") }

// apiURL is where the edge's control API listens, on the visitor's side.
func (s *Stage) apiURL() string {
	return fmt.Sprintf("http://%s/client/v4", netip.AddrPortFrom(EdgeFront, 8520))
}

// edgeConfig is the configuration of the world's edge. Its timers are those of
// an impatient edge, so that silence is answered in seconds: the code does not
// depend on how long it waited. Where the documented ones are asked for, it is
// the diagnosis that does not wait.
func (s *Stage) edgeConfig() (map[string]any, error) {
	w := s.World
	mode := w.SSL
	if mode == "" {
		mode = originward.SSLFull
	}
	var records []map[string]any
	for _, r := range s.records() {
		records = append(records, map[string]any{"type": string(r.Type), "name": r.Name, "content": r.Content, "proxied": r.Proxied})
	}
	zone := map[string]any{"name": Site, "ssl": string(mode), "records": records}
	maps.Copy(zone, w.Zone)
	if len(w.EdgeNames) > 0 {
		pair, err := s.edgeCert()
		if err != nil {
			return nil, err
		}
		zone["certificate"] = pair
	}
	var egress []string
	for _, a := range Egress {
		egress = append(egress, a.String())
	}
	timers := map[string]any{"connect": "2s", "tls": "3s", "resolve": "2s", "ack": "2s", "read": "2500ms", "write": "3s", "idle": "900s"}
	if s.documented {
		timers = map[string]any{"connect": "19s", "ack": "90s", "read": "125s", "write": "30s", "idle": "900s"}
	}
	front := func(port uint16) string { return netip.AddrPortFrom(EdgeFront, port).String() }
	zones := []any{zone}
	if s.ownZone {
		zones = []any{}
	}
	conf := map[string]any{
		"listen": map[string]any{
			"http":  []string{front(80), front(8080)},
			"https": []string{front(443), front(8443)},
			"api":   front(8520),
		},
		"colo": "LAB", "egress": egress, "data": filepath.Join(s.Dir, "edge"),
		"timers":     timers,
		"trust":      map[string]any{"roots": []string{s.caFile()}},
		"resolver":   netip.AddrPortFrom(Resolver, 53).String(),
		"api_tokens": []map[string]any{{"name": "lab", "file": s.tokenFile()}},
		"zones":      zones,
	}
	maps.Copy(conf, w.Edge)
	return conf, nil
}

// startEdge starts the edge and waits until it says that it is ready.
func (s *Stage) startEdge(ctx context.Context) error {
	if err := os.WriteFile(s.tokenFile(), []byte(apiToken), 0o600); err != nil {
		return err
	}
	conf, err := s.edgeConfig()
	if err != nil {
		return err
	}
	cfg, err := json.MarshalIndent(conf, "", "  ")
	if err != nil {
		return err
	}
	file := filepath.Join(s.Dir, "edge.yaml") // JSON is YAML
	if err := os.WriteFile(file, cfg, 0o600); err != nil {
		return err
	}
	log, err := os.Create(s.edgeLog())
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := s.Edge.Command(context.Background(), s.Exe, "serve", "--config", file)
	cmd.Stdout, cmd.Stderr = log, log
	if err := s.Edge.Background(cmd); err != nil {
		return err
	}
	s.edge = cmd
	err = s.wait(ctx, "the edge's listeners", func() bool {
		out, err := s.Edge.Run(ctx, "ss", "-Hltn", "sport = :443 or sport = :8520")
		return err == nil && bytes.Count([]byte(out), []byte("\n")) >= 2
	})
	if err != nil {
		text, _ := os.ReadFile(s.edgeLog())
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(text)))
	}
	return nil
}

// restartEdge starts the edge anew, without the connections that it kept.
func (s *Stage) restartEdge(ctx context.Context) error {
	if err := s.edge.Process.Kill(); err != nil {
		return err
	}
	s.Edge.forget(s.edge)
	return s.startEdge(ctx)
}

func (s *Stage) edgeLog() string { return filepath.Join(s.Dir, "edge.log") }
