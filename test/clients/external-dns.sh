#!/bin/sh
# external-dns writes the names of its fake source (all below example.com) into a zone
# of the edge, with its registry of owners, and takes them out again when they are gone.
set -eu
. "$here/edge.sh"
zone=$(call POST /zones '{"name":"example.com"}' | sed 's/.*"result":{"id":"\([0-9a-f]*\)".*/\1/')
secret=$(scoped_token "$zone")
call POST "/zones/$zone/dns_records" '{"type":"A","name":"mine","content":"203.0.113.5"}' >/dev/null

sync() {
	CLOUDFLARE_BASE_URL=$api CF_API_TOKEN=$secret "$CLIENTS/external-dns" --once --source=fake --provider=cloudflare \
		--domain-filter=example.com --metrics-address=127.0.0.1:0 --registry=txt --txt-owner-id=test --policy=sync --log-level=debug "$@" >>"$dir/external-dns.log" 2>&1
}
records() { call GET "/zones/$zone/dns_records?per_page=1000&type=$1" | tr '{' '\n' | sed -n 's/.*"name":"\([^"]*\)","type":"'"$1"'".*/\1/p'; }

sync
[ "$(records A | wc -l)" -gt 5 ] || { echo "external-dns wrote $(records A | wc -l) addresses"; exit 1; }
[ "$(records TXT | wc -l)" -gt 5 ] || { echo "external-dns keeps no registry"; exit 1; }
name=$(records A | grep -v '^mine' | head -1)
[ -n "$(ask "$name" A)" ] || { echo "DNS does not answer for $name"; exit 1; }

# The fake source gives other names each time: the old ones go, what is not its own stays.
sync
if records A | grep -qx "$name"; then echo "$name is still there"; exit 1; fi
[ -z "$(ask "$name" A)" ] || { echo "DNS still answers for $name"; exit 1; }
[ "$(ask mine.example.com A)" = 203.0.113.5 ] || { echo "a record that is not its own is gone"; exit 1; }

# Proxied: DNS answers the edge.
sync --cloudflare-proxied
name=$(records A | grep -v '^mine' | head -1)
[ "$(ask "$name" A)" = 198.51.100.10 ] || { echo "proxied, $name answers $(ask "$name" A)"; exit 1; }
if grep -q "$secret" "$dir/edge.log"; then echo "a token stands in the log"; exit 1; fi
echo ok
