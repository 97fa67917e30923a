package errorpage

// hop is the place at which the way of a request is broken.
type hop uint8

const (
	hopYou hop = iota + 1
	hopEdge
	hopHost
)

// code is what an error number means, apart from its text.
type code struct {
	number   int
	status   int    // HTTP status; equal to number outside the 1xxx family
	name     string // stable, snake case
	category string // stable
	hop      hop
	// retryAfter is in seconds; 0 = retrying does not help (cloudflare
	// error-responses, 2026-08-09).
	retryAfter int
	owner      bool // the owner has to act
}

// codes lists every error that has a page. Names and categories of 500, 522, 526,
// 1015, 1016, 1020 and 1200, the categories of all 1xxx, and the seconds are the documented ones
// (cloudflare error-responses); names that are not documented are our own.
// Statuses of 1xxx codes that are not documented (1000, 1001, 1002, 1003, 1004,
// 1013, 1014, 1034, 1033, 1035) are chosen: 403 where the edge refuses, 409 where the
// site is not set up, 421 for a wrong connection, 530 where the host's place is unknown.
var codes = []code{
	{400, 400, "bad_request", "request", hopYou, 0, false},
	{404, 404, "not_found", "request", hopYou, 0, false},
	{408, 408, "request_timeout", "request", hopYou, 0, false},
	{414, 414, "uri_too_long", "request", hopYou, 0, false},
	{417, 417, "expectation_failed", "request", hopYou, 0, false},
	{421, 421, "misdirected_request", "request", hopYou, 0, false},
	{431, 431, "request_headers_too_large", "request", hopYou, 0, false},
	{500, 500, "internal_server_error", "edge", hopEdge, 30, false},
	{501, 501, "not_implemented", "request", hopYou, 0, false},
	{502, 502, "bad_gateway", "origin", hopHost, 60, true},
	{503, 503, "service_unavailable", "edge", hopEdge, 30, false},
	{504, 504, "gateway_timeout", "origin", hopHost, 120, true},
	{505, 505, "http_version_not_supported", "request", hopYou, 0, false},
	{520, 520, "invalid_origin_response", "origin", hopHost, 60, true},
	{521, 521, "origin_refused_connection", "origin", hopHost, 120, true},
	{522, 522, "connection_timeout", "origin", hopHost, 120, true},
	{523, 523, "origin_unreachable", "origin", hopHost, 120, true},
	{524, 524, "origin_response_timeout", "origin", hopHost, 120, true},
	{525, 525, "ssl_handshake_failed", "ssl", hopHost, 0, true},
	{526, 526, "invalid_ssl_certificate", "ssl", hopHost, 0, true},
	{1000, 403, "dns_points_to_edge", "config", hopHost, 0, true},
	{1001, 409, "unknown_host", "dns", hopEdge, 0, true},
	{1002, 403, "dns_points_to_local_address", "config", hopHost, 0, true},
	{1003, 403, "direct_ip_access", "config", hopYou, 0, false},
	{1004, 409, "host_not_proxied", "config", hopEdge, 120, true},
	{1005, 403, "network_banned", "access_denied", hopEdge, 0, false},
	{1006, 403, "address_banned", "access_denied", hopEdge, 0, false},
	{1009, 403, "country_banned", "access_denied", hopEdge, 0, false},
	{1010, 403, "client_banned", "access_denied", hopEdge, 0, false},
	{1011, 403, "hotlink_denied", "access_denied", hopEdge, 0, false},
	{1012, 403, "access_denied", "access_denied", hopEdge, 0, false},
	{1013, 421, "sni_host_mismatch", "config", hopYou, 0, false},
	{1014, 403, "cname_cross_account", "config", hopEdge, 0, true},
	{1015, 429, "rate_limited", "rate_limit", hopEdge, 30, false},
	{1016, 530, "origin_dns_error", "dns", hopHost, 0, true},
	{1018, 409, "host_not_ready", "config", hopEdge, 0, true},
	{1020, 403, "firewall_rule_blocked", "access_denied", hopEdge, 0, false},
	{1023, 409, "host_not_ready", "config", hopEdge, 0, true},
	{1033, 530, "tunnel_not_connected", "config", hopHost, 120, true},
	{1034, 409, "dns_points_to_reserved_edge_address", "config", hopHost, 0, true},
	{1035, 409, "rewrite_not_allowed", "rewrite", hopEdge, 0, true},
	{1200, 503, "cache_connection_limit", "rate_limit", hopHost, 60, false},
}

// aliases are numbers that are shown as another: 530 never stands alone, 403 and
// 429 by the edge are its rules' answers.
var aliases = map[int]int{530: 1016, 403: 1020, 429: 1015}

func lookUp(number int) (code, bool) {
	if a, ok := aliases[number]; ok {
		number = a
	}
	for _, c := range codes {
		if c.number == number {
			return c, true
		}
	}
	return code{}, false
}

// Known tells whether there is a page for the number.
func Known(number int) bool { _, ok := lookUp(number); return ok }

// Status is the HTTP status that goes with the number; 500 when it is not known.
func Status(number int) int {
	if c, ok := lookUp(number); ok {
		return c.status
	}
	return 500
}
