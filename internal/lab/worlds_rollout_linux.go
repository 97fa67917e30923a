package lab

import (
	"context"

	"github.com/originward/originward"
)

// rolling is a script that gives each of two instances of the application a new
// version, one after the other and again and again, as the deploys of a busy day
// do: one of them is always gone for a moment.
const rolling = `echo $$ >/run/deploy.pid
while :; do for port in 3000 3001; do
	echo "$(date -u '+%Y-%m-%dT%H:%M:%SZ') deploy: restarting instance $port" >>/var/log/deploy.log
	kill $(cat /run/app-$port.pid); sleep 0.7
	setsid python3 /opt/app/app.py $port ok </dev/null >/var/log/app.log 2>&1 & echo $! >/run/app-$port.pid
	for i in $(seq 100); do ss -Hltn sport = :$port | grep -q . && break; sleep 0.02; done; sleep 0.2
done; done`

// deploying makes a step that begins to deploy while visitors ask, and goes on
// when every instance was missed once in the proxy's log.
func deploying(log string, words ...string) step {
	return func(ctx context.Context, s *Stage) error {
		ask := s.Client.Command(context.Background(), "/bin/sh", "-c",
			"while :; do curl -sko /dev/null -m 5 --connect-to ::"+s.World.front().String()+" "+s.url()+"; sleep 0.05; done")
		if err := s.Client.Background(ask); err != nil {
			return err
		}
		if err := s.Origin.Background(s.Origin.Command(context.Background(), "/bin/sh", "-c", rolling)); err != nil {
			return err
		}
		for _, w := range words {
			if err := logged(log, w)(ctx, s); err != nil {
				return err
			}
		}
		return nil
	}
}

// deployed ends it, with both instances up.
var deployed = steps(sh("kill $(cat /run/deploy.pid); for port in 3000 3001; do kill -9 $(cat /run/app-$port.pid) || true; done; sleep 0.2"), app(3000, "ok"), app(3001, "ok"))

// rolloutWorlds have an application that is replaced while visitors ask, and a
// proxy that does not know of it in time.
func rolloutWorlds() []*World {
	two := steps(app(3000, "ok"), app(3001, "ok"))
	base := World{
		Causes: ids("backend.rollout-drain"), Stands: originward.Likely, Decides: hostDecides, Needs: []string{"nginx", "python3", "curl"},
		Cure: deployed,
	}
	return []*World{
		base.with(func(w *World) {
			w.Name, w.Title = "rollout-nginx", "two instances are restarted one after the other, and nginx goes on asking the one that is gone"
			w.Setup = steps(two, nginx("upstream shop { server 127.0.0.1:3000 max_fails=0; server 127.0.0.1:3001 max_fails=0; }\n"+
				site("location / { proxy_pass http://shop; proxy_next_upstream off; }"), 443))
			w.Break = deploying("/var/log/nginx/error.log", ":3000/\", host", ":3001/\", host")
		}),
		base.with(func(w *World) {
			w.Name, w.Title = "rollout-haproxy", "two instances are restarted one after the other, and haproxy does not check them"
			w.Needs = []string{"haproxy", "python3", "curl"}
			w.Setup = steps(two, haproxy(haproxyConf("", haproxyApp+"\n\tserver app2 127.0.0.1:3001")))
			w.Break = deploying("/var/log/haproxy.log", "app/app1 0/0/-1/-1", "app/app2 0/0/-1/-1")
		}),
	}
}
