# Starts an edge with a store, API and DNS on free ports of loopback; sourced by the
# scripts of the clients. Sets dir, api (URL), dns (address:port), token.
umask 077
dir=$(mktemp -d)
pids=
finish() {
	status=$?
	trap - EXIT INT TERM
	for p in $pids; do kill "$p" 2>/dev/null || true; done
	for p in $pids; do wait "$p" 2>/dev/null || true; done
	if [ $status != 0 ]; then
		echo "failed; what was said:"
		for f in "$dir"/*.log; do
			echo "--- $(basename "$f")"
			tail -30 "$f"
		done
	fi
	rm -rf "$dir"
	exit $status
}
trap finish EXIT
trap 'exit 1' INT TERM

# wait_for FILE PATTERN: until a line of the file matches, at most 30 s.
wait_for() {
	n=0
	until grep -q "$2" "$1" 2>/dev/null; do
		n=$((n + 1))
		[ $n -lt 300 ] || { echo "no \"$2\" in $(basename "$1")"; return 1; }
		sleep 0.1
	done
}

token=the-token-of-the-client-tests
printf '%s' "$token" >"$dir/token"
cat >"$dir/edge.yaml" <<Y
listen: {http: ["127.0.0.1:0"], api: "127.0.0.1:0", dns: ["127.0.0.1:0"]}
dns: {addresses: [198.51.100.10]}
data: $dir/data
api_tokens: [{name: root, file: token}]
Y
"$ORIGINWARD" serve --config "$dir/edge.yaml" --no-access-log >"$dir/edge.out" 2>"$dir/edge.log" &
pids=$!
wait_for "$dir/edge.log" "DNS listening"
api=http://$(sed -n 's/.*API listening.* address=\([0-9.:]*\).*/\1/p' "$dir/edge.log")/client/v4
dns=$(sed -n 's/.*DNS listening.* addresses="\{0,1\}\[\([0-9.:]*\).*/\1/p' "$dir/edge.log")

# call METHOD PATH [BODY]: one call to the API as the owner.
call() {
	curl -sf -X "$1" -H "Authorization: Bearer $token" -H 'Content-Type: application/json' ${3:+-d "$3"} "$api$2"
}
# ask NAME TYPE: what DNS answers.
ask() { dig "@${dns%:*}" -p "${dns#*:}" +short "$1" "$2"; }
# field NAME: the first field of that name in a JSON answer.
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" | head -1; }

# scoped_token ZONE-ID: a token that may read the zone and write its DNS, no more.
scoped_token() {
	call POST /user/tokens '{"name":"client","policies":[{"effect":"allow","resources":{"com.cloudflare.api.account.zone.'"$1"'":"*"},"permission_groups":[{"id":"c8fed203ed3043cba015a93ad1616f1f"},{"id":"4755a26eedb94da69e1066d98aa820be"}]}]}' | field value
}
