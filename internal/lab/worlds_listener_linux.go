package lab

import (
	"context"

	"github.com/originward/originward"
)

var hostDecides = []originward.Vantage{originward.Host}

func listenerWorlds() []*World {
	return []*World{
		{
			Name: "listener-none-nginx-stopped", Title: "nginx was stopped",
			Code: 521, Causes: []originward.CauseID{"listener.none"}, Decides: hostDecides,
			Needs: []string{"nginx"}, Setup: healthyNginx,
			Break: sh("nginx -s quit; while pgrep -x nginx >/dev/null; do sleep 0.05; done"),
			Cure: func(ctx context.Context, s *Stage) error {
				if err := s.Origin.Sh(ctx, "nginx"); err != nil {
					return err
				}
				return s.WaitListen(ctx, 443)
			},
		},
		{
			Name: "listener-tls-port-missing-nginx", Title: "nginx serves port 80 only, and the CDN's mode asks for 443",
			Code: 521, Causes: []originward.CauseID{"listener.tls-port-missing"}, Decides: hostDecides,
			Needs: []string{"nginx"}, Unhealthy: "the site never had TLS",
			Setup: func(ctx context.Context, s *Stage) error {
				if err := s.Nginx(ctx, `server { listen 80; listen [::]:80; server_name shop.example; return 200 "hi"; }`); err != nil {
					return err
				}
				return s.WaitListen(ctx, 80)
			},
			Cure: func(ctx context.Context, s *Stage) error {
				if err := s.NginxConf(nginxSite); err != nil {
					return err
				}
				if err := s.Origin.Sh(ctx, "nginx -s reload"); err != nil {
					return err
				}
				return s.WaitListen(ctx, 443)
			},
		},
	}
}
