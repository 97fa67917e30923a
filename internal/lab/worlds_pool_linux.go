package lab

// pooled is an edge whose load balancer takes the site's name: pools by name, of
// addresses, each with a monitor; the last pool is that of last resort.
func pooled(order []string, pools map[string][]string) (zone, edge map[string]any) {
	var list []map[string]any
	for _, name := range order {
		var origins []map[string]any
		for _, a := range pools[name] {
			origins = append(origins, map[string]any{"name": "at-" + a, "address": a})
		}
		list = append(list, map[string]any{"name": name, "monitor": "web", "origins": origins})
	}
	zone = map[string]any{"load_balancers": []map[string]any{{"name": Site, "default_pools": order, "fallback_pool": order[len(order)-1]}}}
	edge = map[string]any{
		"monitors": []map[string]any{{"name": "web", "type": "tcp", "port": 443, "interval": 2, "timeout": 1, "retries": 0}}, "pools": list,
	}
	return zone, edge
}

// balancedWorlds are sites behind a load balancer: their records say nothing of
// where their origins are.
func balancedWorlds() []*World {
	balanced := func(w World, order []string, pools map[string][]string) World {
		w.Zone, w.Edge = pooled(order, pools)
		w.Records, w.Needs, w.Setup = record(Nobody4.String()), []string{"nginx"}, healthyNginx
		return w
	}
	one := map[string][]string{"main": {Origin4.String()}}
	stopped := balanced(World{
		Name: "pool-origin-stopped", Title: "nginx has stopped at the one origin of a load balancer's pool; the record that it hides leads nowhere",
		Code: 521, Causes: ids("listener.none"), Decides: hostDecides, Break: sh("nginx -s stop"), Cure: nginx(nginxSite),
	}, []string{"main"}, one)
	gone := balanced(World{
		Name: "pool-origin-unresolvable", Title: "the origin of a load balancer's pool is a name that does not exist",
		Code: 530, Causes: ids("dns.target-unresolvable"), Decides: cdnDecides, Unhealthy: "the pool is wrong from the start",
	}, []string{"main"}, map[string][]string{"main": {"gone.hosting.example"}})
	spare := balanced(World{
		Name: "healthy-pool-spare", Title: "a load balancer's record is a placeholder, and its pool is well", Noisy: true, Break: nothing,
	}, []string{"main"}, one)
	spare.Records = record("192.0.2.1")
	half := balanced(World{
		Name: "pool-one-origin-refuses", Title: "one of two origins of a pool serves no web, and the load balancer has taken it out: whether a firewall or nothing at all refuses there is not to be seen from here",
		Undecided: true, Unhealthy: "one of the origins is down from the start",
	}, []string{"main"}, map[string][]string{"main": {Origin4.String(), Tenant4.String()}})
	half.Setup = steps(healthyNginx, tenant(""))
	return []*World{&stopped, &gone, &spare, &half}
}
