package lab

import (
	"context"
	"fmt"
	"strings"
)

// sharedNginx makes a step that starts an nginx of its own in a host without a
// root of its own: every path of the configuration lies under the host's
// directory, which the scripts know as $B.
func sharedNginx(http string) step {
	return func(ctx context.Context, s *Stage) error {
		if err := s.ensureCert(); err != nil {
			return err
		}
		b := s.Origin.base
		conf := strings.NewReplacer(" /etc/ssl/", " "+b+"/etc/ssl/", "/run/nginx.pid", b+"/run/nginx.pid", "/var/log/", b+"/var/log/").Replace(nginxMain(http))
		if err := s.Origin.Write("/etc/nginx/nginx.conf", conf); err != nil {
			return err
		}
		if err := s.Origin.Sh(ctx, "mkdir -p $B/var/log/nginx $B/run; chmod 755 $B; "+sharedStart); err != nil {
			return err
		}
		s.closers = append(s.closers, closer(func() error {
			return s.Origin.Sh(context.Background(), sharedQuit)
		}))
		return s.WaitListen(ctx, 443)
	}
}

const (
	sharedStart = "nginx -e $B/var/log/nginx/error.log -c $B/etc/nginx/nginx.conf"
	sharedQuit  = "p=$(cat $B/run/nginx.pid 2>/dev/null) || exit 0; kill -QUIT $p 2>/dev/null || exit 0; for i in $(seq 200); do [ -d /proc/$p ] || break; sleep 0.05; done"
)

type closer func() error

// Close closes.
func (c closer) Close() error { return c() }

func sharedWorlds() []*World {
	shared := World{Shared: true, Needs: []string{"nginx"}, Setup: sharedNginx(nginxSite), Decides: hostDecides}
	return []*World{
		shared.with(func(w *World) {
			w.Name, w.Title, w.Noisy, w.Break, w.Decides = "shared-healthy", "a host that is a network namespace alone, nothing is wrong", true, nothing, nil
		}),
		shared.with(func(w *World) {
			w.Name, w.Title, w.Code, w.Causes = "shared-nginx-stopped", "a host that is a network namespace alone; its nginx was stopped", 521, ids("listener.none")
			w.Break, w.Cure = sh(sharedQuit), steps(sh(sharedStart), listens(443))
		}),
		shared.with(func(w *World) {
			w.Name, w.Title, w.Code, w.Causes = "shared-nft-drop", "a host that is a network namespace alone; nftables drops the CDN", 522, ids("firewall.host.range-blocked")
			w.Needs = append(w.Needs, "nft")
			w.Break = sh("nft 'add table inet f; add chain inet f in { type filter hook input priority 0; }; add rule inet f in ip saddr { " + join(prefixStrings(cdnRanges("ip4"))) + " } tcp dport { 80, 443 } drop'")
			w.Cure = sh(nftFlush)
		}),
		shared.with(func(w *World) {
			w.Name, w.Title, w.Code, w.Causes = "shared-444", "a host that is a network namespace alone; nginx closes without an answer", 520, ids("http.close-without-response")
			w.Setup = sharedNginx(nginxSite)
			w.Break = sharedReload(site("location / { return 444; }"))
			w.Cure = sharedReload(nginxSite)
		}),
		shared.with(func(w *World) {
			w.Name, w.Title, w.Code, w.Causes = "shared-backend-down", "a host that is a network namespace alone; nothing runs behind its nginx", 502, ids("backend.down")
			w.Break, w.Cure = sharedReload(site(toApp)), sharedReload(nginxSite)
		}),
	}
}

// sharedReload makes a step that gives the host's nginx another configuration.
func sharedReload(http string) step {
	return func(ctx context.Context, s *Stage) error {
		b := s.Origin.base
		conf := strings.NewReplacer(" /etc/ssl/", " "+b+"/etc/ssl/", "/run/nginx.pid", b+"/run/nginx.pid", "/var/log/", b+"/var/log/").Replace(nginxMain(http))
		if err := s.Origin.Write("/etc/nginx/nginx.conf", conf); err != nil {
			return err
		}
		return s.Origin.Sh(ctx, fmt.Sprintf("%[1]s -t && %[1]s -s reload; sleep 0.2", sharedStart))
	}
}
