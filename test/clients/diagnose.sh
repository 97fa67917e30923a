#!/bin/sh
# The doctor reads the edge's side through the API, with a token and nothing of the
# origin's host: what is changed there changes what it says. Needs root: edge,
# origin and visitor live in a network namespace of their own.
set -eu
if [ "${OW_INSIDE:-}" = "" ]; then
	[ "$(id -u)" = 0 ] || { echo "skipped: needs root for a network namespace"; exit 0; }
	OW_INSIDE=1 exec unshare --net "$0" "$@"
fi
ip link set lo up
for a in 198.51.100.10 203.0.113.10; do ip address add $a/32 dev lo; done
dir=$(mktemp -d)
umask 077
pids=
finish() {
	status=$?
	trap - EXIT INT TERM
	for p in $pids; do kill "$p" 2>/dev/null || true; done
	wait
	[ $status = 0 ] || tail -20 "$dir"/*.log "$dir"/*.txt
	rm -rf "$dir"
	exit $status
}
trap finish EXIT
trap 'exit 1' INT TERM

token=the-token-of-the-client-tests
printf '%s' "$token" >"$dir/token"
cat >"$dir/edge.yaml" <<Y
listen: {http: ["198.51.100.10:80"], api: "127.0.0.1:8520", dns: ["127.0.0.1:53"]}
egress: [198.51.100.10]
data: $dir/data
api_tokens: [{name: root, file: token}]
timers: {connect: 2s}
Y
cat >"$dir/nginx.conf" <<Y
daemon off; pid $dir/nginx.pid; error_log stderr; events {}
http { access_log off; server { listen 203.0.113.10:80; return 200 hello; } }
Y
nginx -c "$dir/nginx.conf" >"$dir/nginx.log" 2>&1 &
pids="$pids $!"
"$ORIGINWARD" serve --config "$dir/edge.yaml" --no-access-log >"$dir/edge.out" 2>"$dir/edge.log" &
pids="$pids $!"
n=0
until grep -q "listening address=198.51.100.10:80" "$dir/edge.log" && [ -e "$dir/nginx.pid" ]; do
	n=$((n + 1))
	[ $n -lt 300 ] || { echo "the edge or the origin does not start"; exit 1; }
	sleep 0.1
done

call() { curl -sf -X "$1" -H "Authorization: Bearer $token" ${3:+-d "$3"} "http://127.0.0.1:8520/client/v4$2"; }
id() { sed 's/.*"result":{"id":"\([0-9a-f]*\)".*/\1/'; }
# says WORDS [FLAGS]: the diagnosis holds these words.
says() {
	want=$1
	shift
	"$ORIGINWARD" diagnose http://shop.example/ --cdn-api http://127.0.0.1:8520 --cdn-token-file "$dir/token" --resolver 127.0.0.1 "$@" >"$dir/said.txt" 2>&1 || [ $? -le 2 ]
	tr '\n' ' ' <"$dir/said.txt" | tr -s ' ' | grep -q "$want" || { echo "the diagnosis does not say: $want"; exit 1; }
}

zone=$(call POST /zones '{"name":"shop.example"}' | id)
call PATCH "/zones/$zone/settings/ssl" '{"value":"flexible"}' >/dev/null
record=$(call POST "/zones/$zone/dns_records" '{"type":"A","name":"@","content":"203.0.113.10","proxied":true}' | id)
change() { call PATCH "/zones/$zone/dns_records/$record" "$1" >/dev/null; }
rules() { call PUT "/zones/$zone/rulesets/phases/http_request_firewall_custom/entrypoint" "{\"rules\":[$1]}" >/dev/null; }

says "Healthy: the edge reaches the origin"
change '{"proxied":false}'
says "cdn.record-grey"
change '{"proxied":true,"content":"203.0.113.99"}'
says "dns.stale-address \[" --origin 203.0.113.10
change '{"content":"203.0.113.10"}'
second=$(call POST "/zones/$zone/dns_records" '{"type":"A","name":"@","content":"203.0.113.77","proxied":true}' | id)
says "dns.duplicate-records \["
call DELETE "/zones/$zone/dns_records/$second" >/dev/null
rules '{"expression":"http.host eq \"shop.example\"","action":"block"}'
says "cdn.rule-blocks \[proved\]"
rules ''
change '{"content":"192.0.2.1"}'
says "dns.placeholder-without-route \[proved\]"
change '{"content":"203.0.113.10"}'
says "Healthy: the edge reaches the origin"
echo ok
