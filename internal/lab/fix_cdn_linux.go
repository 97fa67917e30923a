package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/originward/originward"
)

// zonePhases are the phases of a world's rules, by their key in the
// configuration file.
var zonePhases = map[string]string{"custom": "http_request_firewall_custom"}

// makeZone makes the world's zone through the edge's API: what stands in the
// configuration file, the API does not change.
func (s *Stage) makeZone(ctx context.Context) error {
	mode := s.World.SSL
	if mode == "" {
		mode = originward.SSLFull
	}
	var records []map[string]any
	for _, r := range s.records() {
		records = append(records, map[string]any{"type": string(r.Type), "name": r.Name, "content": r.Content, "proxied": r.Proxied})
	}
	zone := map[string]any{"name": Site, "settings": map[string]any{"ssl": string(mode)}, "records": records}
	if rules, ok := s.World.Zone["rules"].(map[string]any); ok {
		sets := map[string]any{}
		for key, list := range rules {
			phase, ok := zonePhases[key]
			if !ok {
				return fmt.Errorf("rules %q of world %s have no phase at the API", key, s.World.Name)
			}
			sets[phase] = list
		}
		zone["rulesets"] = sets
	}
	raw, err := json.Marshal(map[string]any{"zones": []any{zone}})
	if err != nil {
		return err
	}
	file := filepath.Join(s.Dir, "zones.yaml") // JSON is YAML
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		return err
	}
	_, err = s.zones(ctx, "apply", file)
	return err
}

// zones runs `originward zones` with the edge's API.
func (s *Stage) zones(ctx context.Context, args ...string) (string, error) {
	api := "http://" + netip.AddrPortFrom(EdgeFront, 8520).String()
	return s.Client.Run(ctx, s.Exe, append([]string{"zones", "--api", api, "--token-file", s.tokenFile()}, args...)...)
}

// fixFromHere runs the fix where the visitor stands: the API is at hand there,
// the origin is not.
func (s *Stage) fixFromHere(ctx context.Context) (fixReport, error) {
	return readFix(s.Client, s.Client.Command(ctx, s.Exe, "fix", s.bundle(), "--yes", "--format", "json", "--ca-file", s.caFile(), "--edge", EdgeFront.String(),
		"--resolver", Resolver.String(), "--cdn-api", s.apiURL(), "--cdn-token-file", s.tokenFile(), "--within", "2m", "--journal", s.journal()))
}

// journal is where fixes that are carried out from here have theirs.
func (s *Stage) journal() string { return filepath.Join(s.Dir, "journal") }
