#!/bin/sh
# lego obtains certificates, one of them for a wildcard, from an ACME server that
# asks the edge's DNS for what lego wrote through the edge's API.
set -eu
. "$here/edge.sh"
zone=$(call POST /zones '{"name":"shop.example"}' | sed 's/.*"result":{"id":"\([0-9a-f]*\)".*/\1/')
secret=$(scoped_token "$zone")
[ ${#secret} = 40 ] || { echo "no token was made"; exit 1; }

# The ACME server's own certificate, and ports that are free.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=pebble \
	-addext subjectAltName=IP:127.0.0.1 -keyout "$dir/pebble.key" -out "$dir/pebble.pem" 2>/dev/null
port=$((20000 + $$ % 20000))
cat >"$dir/pebble.json" <<J
{"pebble": {"listenAddress": "127.0.0.1:$port", "managementListenAddress": "127.0.0.1:$((port + 1))",
 "certificate": "$dir/pebble.pem", "privateKey": "$dir/pebble.key", "httpPort": 5002, "tlsPort": 5001, "ocspResponderURL": ""}}
J
PEBBLE_VA_NOSLEEP=1 PEBBLE_WFE_NONCEREJECT=0 "$CLIENTS/pebble" -config "$dir/pebble.json" -dnsserver "$dns" -strict >"$dir/pebble.log" 2>&1 &
pids="$pids $!"
wait_for "$dir/pebble.log" "ACME directory available"

CLOUDFLARE_BASE_URL=$api CLOUDFLARE_DNS_API_TOKEN=$secret CLOUDFLARE_POLLING_INTERVAL=1 LEGO_CA_CERTIFICATES=$dir/pebble.pem \
	"$CLIENTS/lego" -directory "https://127.0.0.1:$port/dir" -resolver "$dns" shop.example '*.shop.example' >"$dir/lego.log" 2>&1
grep -q "certificate for" "$dir/lego.log"
# It cleans up after itself.
[ -z "$(ask _acme-challenge.shop.example TXT)" ] || { echo "the challenge is left in DNS"; exit 1; }
if grep -q "$secret" "$dir/edge.log"; then echo "a token stands in the log"; exit 1; fi
echo ok
