#!/bin/sh
# The edge itself obtains certificates from pebble, which asks the edge's own DNS and
# comes to the edge's own ports: by HTTP-01 for a name, by DNS-01 for a wildcard. A
# restart shows the same ones. Needs root: ports 80 and 443 in a namespace of its own.
set -eu
if [ "${OW_INSIDE:-}" = "" ]; then
	[ "$(id -u)" = 0 ] || { echo "skipped: needs root for a network namespace"; exit 0; }
	OW_INSIDE=1 exec unshare --net "$0" "$@"
fi
ip link set lo up
for a in 198.51.100.10 203.0.113.10; do ip address add $a/32 dev lo; done
dir=$(mktemp -d)
umask 077
edge=
pids=
finish() {
	status=$?
	trap - EXIT INT TERM
	for p in $pids $edge; do kill "$p" 2>/dev/null || true; done
	wait
	[ $status = 0 ] || tail -30 "$dir"/*.log
	rm -rf "$dir"
	exit $status
}
trap finish EXIT
trap 'exit 1' INT TERM
# until_true COMMAND: at most 60 s.
until_true() {
	n=0
	until "$@" >/dev/null 2>&1; do
		n=$((n + 1))
		[ $n -lt 600 ] || { echo "it did not happen: $*"; return 1; }
		sleep 0.1
	done
}

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=pebble \
	-addext subjectAltName=IP:127.0.0.1 -keyout "$dir/pebble.key" -out "$dir/pebble.pem" 2>/dev/null
cat >"$dir/pebble.json" <<J
{"pebble": {"listenAddress": "127.0.0.1:14000", "managementListenAddress": "", "certificate": "$dir/pebble.pem", "privateKey": "$dir/pebble.key",
 "httpPort": 80, "tlsPort": 443, "ocspResponderURL": "", "retryAfter": {"authz": 1, "order": 1}}}
J
cat >"$dir/edge.yaml" <<Y
listen: {http: ["198.51.100.10:80"], https: ["198.51.100.10:443"], http3: ["198.51.100.10:443"], dns: ["198.51.100.10:53"]}
data: $dir/data
acme: {directory: "https://127.0.0.1:14000/dir", ca_file: pebble.pem, agree: true, challenges: [http-01, dns-01]}
zones:
  - name: shop.example
    acme: true
    always_use_https: true
    records:
      - {type: A, name: shop.example, content: 203.0.113.10, proxied: true}
      - {type: A, name: "*.shop.example", content: 203.0.113.10, proxied: true}
    rules: {custom: [{expression: "true", action: block}]}
Y
PEBBLE_VA_NOSLEEP=1 PEBBLE_WFE_NONCEREJECT=0 "$CLIENTS/pebble" -config "$dir/pebble.json" -dnsserver 198.51.100.10:53 -strict >"$dir/pebble.log" 2>&1 &
pids=$!
until_true grep -q "ACME directory available" "$dir/pebble.log"
begin() {
	"$ORIGINWARD" serve --config "$dir/edge.yaml" --no-access-log >>"$dir/edge.log" 2>&1 &
	edge=$!
}
shown() { openssl s_client -connect 198.51.100.10:443 -servername "$1" </dev/null 2>/dev/null | openssl x509 -noout "-$2" 2>/dev/null; }
obtained() { shown "$1" issuer | grep -q Pebble; }

begin
until_true obtained shop.example
until_true obtained www.shop.example
shown www.shop.example text | grep -q "DNS:\*.shop.example" || { echo "no wildcard"; exit 1; }
before=$(shown shop.example serial)
kill $edge
wait $edge || true
begin
until_true obtained shop.example
[ "$(shown shop.example serial)" = "$before" ] || { echo "another certificate after a restart"; exit 1; }
[ "$(dig @198.51.100.10 +short _acme-challenge.shop.example TXT)" = "" ] || { echo "DNS still answers for a challenge"; exit 1; }
echo ok
