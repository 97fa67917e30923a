package lab

// bridge is a script that makes what a container engine makes: a bridge, a
// container's network with one address on it, and the packet filter's chains
// for published ports. There is no engine: its rules alone stand here.
const bridge = `ip link add docker0 type bridge; ip addr add 172.17.0.1/16 dev docker0; ip link set docker0 up
ip netns add shop; ip link add vethshop type veth peer name eth0 netns shop; ip link set vethshop master docker0 up
ip -n shop addr add 172.17.0.2/16 dev eth0; ip -n shop link set eth0 up; ip -n shop link set lo up; ip -n shop route add default via 172.17.0.1
sysctl -qw net.ipv4.ip_forward=1
iptables -t nat -N DOCKER; iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
iptables -N DOCKER; iptables -N DOCKER-USER; iptables -A DOCKER-USER -j RETURN; iptables -P FORWARD DROP
iptables -A FORWARD -j DOCKER-USER; iptables -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables -A FORWARD -o docker0 -j DOCKER; iptables -A FORWARD -i docker0 ! -o docker0 -j ACCEPT
for p in 80 443; do
	iptables -t nat -A DOCKER ! -i docker0 -p tcp --dport $p -j DNAT --to-destination 172.17.0.2:$p
	iptables -A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp --dport $p -j ACCEPT
done`

// contained makes a step that runs nginx in the container's network.
func contained(http string) step {
	return steps(certified, nginxConf(http), sh(bridge+`
mkdir -p /var/log/nginx /var/lib/nginx; ip netns exec shop nginx; for i in $(seq 100); do ip netns exec shop ss -Hltn sport = :443 | grep -q . && break; sleep 0.05; done`))
}

func containerWorlds() []*World {
	docker := World{Causes: ids("firewall.docker.rules"), Decides: hostDecides, Needs: []string{"nginx", "iptables"}, Setup: contained(nginxSite)}
	return []*World{
		docker.with(func(w *World) {
			w.Name, w.Title, w.Noisy, w.Causes, w.Decides, w.Break = "healthy-container", "the site runs in a container with published ports, and nothing is wrong", true, nil, nil, nothing
		}),
		docker.with(func(w *World) {
			w.Name, w.Title, w.Code = "docker-rules-forward", "a reload of the firewall flushed the rule that lets published ports through", 522
			w.Break = sh("iptables -D FORWARD -o docker0 -j DOCKER")
			w.Cure = sh("iptables -I FORWARD 3 -o docker0 -j DOCKER")
		}),
		docker.with(func(w *World) {
			w.Name, w.Title = "docker-rules-old-address", "the container came back with another address, and the rules lead to the old one"
			w.Break = sh("ip -n shop addr del 172.17.0.2/16 dev eth0; ip -n shop addr add 172.17.0.3/16 dev eth0; ip -n shop route replace default via 172.17.0.1; ip neigh flush dev docker0")
			w.Cure = sh("ip -n shop addr del 172.17.0.3/16 dev eth0; ip -n shop addr add 172.17.0.2/16 dev eth0; ip -n shop route replace default via 172.17.0.1; ip neigh flush dev docker0")
		}),
		{
			Name: "container-to-host", Title: "the host's firewall drops the proxy container's connections to the application",
			Causes: ids("firewall.container-to-host"), Decides: hostDecides, Needs: []string{"nginx", "iptables", "python3"},
			Setup: steps(app(3000, "ok", "0.0.0.0"), contained(site("location / { proxy_pass http://172.17.0.1:3000; proxy_connect_timeout 1s; }"))),
			Break: sh("iptables -A INPUT -i lo -j ACCEPT; iptables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; iptables -A INPUT -p tcp --dport 22 -j ACCEPT; iptables -A INPUT -j DROP"),
			Cure:  sh("iptables -F INPUT"), Code: 504,
		},
	}
}
