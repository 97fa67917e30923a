package remedy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// planReloadCert has the server read the renewed certificate.
func planReloadCert(_ context.Context, s *site, _ []originward.Finding) ([]Step, error) {
	for _, it := range fact.All[fact.Certificates](s.b, originward.Host) {
		for _, f := range it.Fact.Files {
			if svc, ok := s.serving(f.Program); ok && isRunning(svc) {
				d := daemonOf(svc, s.manager)
				return []Step{step("service", "have "+svc.Kind+" read its certificate again", &Service{Daemon: d, Op: opReload})}, nil
			}
		}
	}
	for _, svc := range s.services(func(v fact.Service) bool { return v.Role == "web" && isRunning(v) }) {
		return []Step{step("service", "have "+svc.Kind+" read its certificate again", &Service{Daemon: daemonOf(svc, s.manager), Op: opReload})}, nil
	}
	return nil, errors.New("no running web server was found")
}

// planChain adds the intermediate certificate that lies beside the leaf.
func planChain(_ context.Context, s *site, _ []originward.Finding) ([]Step, error) {
	for _, it := range fact.All[fact.Certificates](s.b, originward.Host) {
		for _, f := range it.Fact.Files {
			if f.IssuerFile == "" || len(f.Chain) != 1 {
				continue
			}
			leaf, err := os.ReadFile(f.File)
			if err != nil {
				return nil, err
			}
			issuer, err := os.ReadFile(f.IssuerFile)
			if err != nil {
				return nil, err
			}
			if !strings.Contains(string(issuer), "BEGIN CERTIFICATE") || strings.Contains(string(issuer), "PRIVATE KEY") {
				continue
			}
			whole := strings.TrimRight(string(leaf), "\n") + "\n" + string(issuer)
			c := &Config{Edits: []Edit{{Path: f.File, Content: []byte(whole), Secret: strings.Contains(string(leaf), "PRIVATE KEY")}}}
			svc, ok := s.serving(f.Program)
			if !ok {
				return nil, fmt.Errorf("no running %s was found", f.Program)
			}
			d := daemonOf(svc, s.manager)
			c.Serve, c.Then, c.Test = &d, opReload, testOf(d)
			return []Step{step("config", "add the intermediate certificate of "+f.IssuerFile+" to "+f.File, c)}, nil
		}
	}
	return nil, errors.New("the intermediate certificate is not on this host; fetch it from the authority that issued the leaf, and put it behind the leaf")
}
