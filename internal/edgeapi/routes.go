package edgeapi

import (
	"net/http"
	"slices"
)

// route is one call that is served.
type route struct {
	method, path string
	need         need
	serve        func(*call) (*reply, error)
	about        string // one line, for the description
	in           any    // the body's form; nil = none
	pure         bool   // changes nothing although it is no GET
}

// reader makes a route of a function that only needs the request.
func reader(f func(*http.Request) (*reply, error)) func(*call) (*reply, error) {
	return func(c *call) (*reply, error) { return f(c.Request) }
}

// Permissions, as named by Cloudflare.
var (
	anyToken      = need{}
	zoneRead      = need{"Zone", false}
	zoneWrite     = need{"Zone", true}
	dnsRead       = need{"DNS", false}
	dnsWrite      = need{"DNS", true}
	settingsRead  = need{"Zone Settings", false}
	settingsWrite = need{"Zone Settings", true}
	sslRead       = need{"SSL and Certificates", false}
	sslWrite      = need{"SSL and Certificates", true}
	wafRead       = need{"Zone WAF", false}
	wafWrite      = need{"Zone WAF", true}
	accountRead   = need{"Account Settings", false}
	tokensRead    = need{"API Tokens", false}
	tokensWrite   = need{"API Tokens", true}
	purge         = need{"Cache Purge", true}
	logsRead      = need{"Logs", false}
	analytics     = need{"Analytics", false}
	lbRead        = need{"Load Balancers", false}
	lbWrite       = need{"Load Balancers", true}
	poolsRead     = need{"Load Balancing: Monitors and Pools", false}
	poolsWrite    = need{"Load Balancing: Monitors and Pools", true}
	accessRead    = need{"Firewall Services", false}
	accessWrite   = need{"Firewall Services", true}
	pagesRead     = need{"Custom Pages", false}
	pagesWrite    = need{"Custom Pages", true}
	listsRead     = need{"Account Rule Lists", false}
	listsWrite    = need{"Account Rule Lists", true}
)

// routes lists what is served; to add a call is one line.
func (a *API) routes() []route {
	return slices.Concat(a.callerRoutes(), a.zoneRoutes(), a.ruleRoutes(), a.certificateRoutes(), a.ownRoutes(), a.agentRoutes(), a.pageRoutes(), a.poolRoutes())
}

// callerRoutes serve callers: who they are, their tokens, what was changed.
func (a *API) callerRoutes() []route {
	return []route{
		{"GET", "/user", anyToken, a.user, "the caller", nil, false},
		{"GET", "/user/tokens/verify", anyToken, a.verifyToken, "is the token valid", nil, false},
		{"GET", "/user/tokens/permission_groups", anyToken, a.permissionGroups, "permission groups that tokens can have", nil, false},
		{"GET", "/user/tokens", tokensRead, a.tokens, "list tokens", nil, false},
		{"POST", "/user/tokens", tokensWrite, a.createToken, "make a token; its value is shown once", tokenIn{}, false},
		{"GET", "/user/tokens/{token}", tokensRead, a.tokenByID, "one token", nil, false},
		{"PUT", "/user/tokens/{token}", tokensWrite, a.changeToken, "change a token", tokenIn{}, false},
		{"DELETE", "/user/tokens/{token}", tokensWrite, a.deleteToken, "delete a token", nil, false},
		{"PUT", "/user/tokens/{token}/value", tokensWrite, a.rollToken, "give a token a new value", nil, false},
		{"GET", "/accounts", anyToken, a.accounts, "list accounts: there is one", nil, false},
		{"GET", "/accounts/{account}", anyToken, a.account, "the account", nil, false},
		{"GET", "/accounts/{account}/tokens/verify", anyToken, a.verifyToken, "is the token valid", nil, false},
		{"GET", "/accounts/{account}/tokens/permission_groups", anyToken, a.permissionGroups, "permission groups that tokens can have", nil, false},
		{"GET", "/accounts/{account}/tokens", tokensRead, a.tokens, "list tokens", nil, false},
		{"POST", "/accounts/{account}/tokens", tokensWrite, a.createToken, "make a token; its value is shown once", tokenIn{}, false},
		{"GET", "/accounts/{account}/tokens/{token}", tokensRead, a.tokenByID, "one token", nil, false},
		{"PUT", "/accounts/{account}/tokens/{token}", tokensWrite, a.changeToken, "change a token", tokenIn{}, false},
		{"DELETE", "/accounts/{account}/tokens/{token}", tokensWrite, a.deleteToken, "delete a token", nil, false},
		{"PUT", "/accounts/{account}/tokens/{token}/value", tokensWrite, a.rollToken, "give a token a new value", nil, false},
		{"GET", "/accounts/{account}/audit_logs", accountRead, a.auditLog, "what was changed, by whom, with before and after", nil, false},
		{"GET", "/user/audit_logs", accountRead, a.auditLog, "what was changed, by whom, with before and after", nil, false},
		{"GET", "/ips", anyToken, reader(a.ips), "source addresses that origins see", nil, false},
	}
}

// zoneRoutes serve zones: records, signing, settings.
func (a *API) zoneRoutes() []route {
	return []route{
		{"GET", "/zones", anyToken, a.zones, "list zones", nil, false},
		{"POST", "/zones", zoneWrite, a.createZone, "add a zone", zoneIn{}, false},
		{"GET", "/zones/{zone}", zoneRead, a.zoneByID, "one zone", nil, false},
		{"PATCH", "/zones/{zone}", zoneWrite, a.changeZone, "change a zone", zonePatch{}, false},
		{"DELETE", "/zones/{zone}", zoneWrite, a.deleteZone, "delete a zone with everything in it", nil, false},
		{"PUT", "/zones/{zone}/activation_check", zoneWrite, a.activationCheck, "check the zone's delegation again", nil, false},
		{"POST", "/zones/{zone}/purge_cache", purge, a.purgeCache, "forget kept responses", purgeIn{}, true},

		{"GET", "/zones/{zone}/dns_records", dnsRead, a.records, "list DNS records", nil, false},
		{"POST", "/zones/{zone}/dns_records", dnsWrite, a.createRecord, "add a DNS record", recordIn{}, false},
		{"POST", "/zones/{zone}/dns_records/batch", dnsWrite, a.batchRecords, "many changes at once: all or none", batchIn{}, false},
		{"GET", "/zones/{zone}/dns_records/export", dnsRead, a.exportRecords, "the zone as a BIND zone file", nil, false},
		{"POST", "/zones/{zone}/dns_records/import", dnsWrite, a.importRecords, "add the records of a BIND zone file", nil, false},
		{"GET", "/zones/{zone}/dns_records/{record}", dnsRead, a.recordByID, "one DNS record", nil, false},
		{"PUT", "/zones/{zone}/dns_records/{record}", dnsWrite, a.replaceRecord, "replace a DNS record", recordIn{}, false},
		{"PATCH", "/zones/{zone}/dns_records/{record}", dnsWrite, a.changeRecord, "change fields of a DNS record", recordIn{}, false},
		{"DELETE", "/zones/{zone}/dns_records/{record}", dnsWrite, a.deleteRecord, "delete a DNS record", nil, false},

		{"GET", "/zones/{zone}/dnssec", dnsRead, a.dnssec, "is the zone signed, and what its parent needs to know", nil, false},
		{"PATCH", "/zones/{zone}/dnssec", dnsWrite, a.changeDNSSEC, "sign the zone, or end it", dnssecIn{}, false},
		{"DELETE", "/zones/{zone}/dnssec", dnsWrite, a.deleteDNSSEC, "end signing and forget the key", nil, false},

		{"GET", "/zones/{zone}/settings", settingsRead, a.settings, "list settings", nil, false},
		{"PATCH", "/zones/{zone}/settings", settingsWrite, a.changeSettings, "change settings", settingsIn{}, false},
		{"GET", "/zones/{zone}/settings/{setting}", settingsRead, a.setting, "one setting", nil, false},
		{"PATCH", "/zones/{zone}/settings/{setting}", settingsWrite, a.changeSetting, "change a setting", settingIn{}, false},
	}
}

// ruleRoutes serve rulesets and what else decides about requests.
func (a *API) ruleRoutes() []route {
	return []route{
		{"GET", "/zones/{zone}/rulesets", wafRead, a.listRulesets, "list rulesets", nil, false},
		{"POST", "/zones/{zone}/rulesets", wafWrite, a.createRuleset, "make the ruleset of a phase", rulesetIn{}, false},
		{"GET", "/zones/{zone}/rulesets/{ruleset}", wafRead, a.rulesetByID, "one ruleset", nil, false},
		{"PUT", "/zones/{zone}/rulesets/{ruleset}", wafWrite, a.replaceRuleset, "replace a ruleset's rules", rulesetIn{}, false},
		{"DELETE", "/zones/{zone}/rulesets/{ruleset}", wafWrite, a.deleteRuleset, "delete a ruleset", nil, false},
		{"POST", "/zones/{zone}/rulesets/{ruleset}/rules", wafWrite, a.addRule, "add a rule", map[string]any{}, false},
		{"PATCH", "/zones/{zone}/rulesets/{ruleset}/rules/{rule}", wafWrite, a.changeRule, "change a rule", map[string]any{}, false},
		{"DELETE", "/zones/{zone}/rulesets/{ruleset}/rules/{rule}", wafWrite, a.deleteRule, "delete a rule", nil, false},
		{"GET", "/zones/{zone}/rulesets/phases/{phase}/entrypoint", wafRead, a.phaseRuleset, "the ruleset of a phase", nil, false},
		{"PUT", "/zones/{zone}/rulesets/phases/{phase}/entrypoint", wafWrite, a.replacePhase, "replace the rules of a phase", rulesetIn{}, false},

		{"GET", "/zones/{zone}/firewall/access_rules/rules", accessRead, a.accessRules, "list IP access rules", nil, false},
		{"POST", "/zones/{zone}/firewall/access_rules/rules", accessWrite, a.createAccessRule, "add an IP access rule", accessIn{}, false},
		{"GET", "/zones/{zone}/firewall/access_rules/rules/{rule}", accessRead, a.accessRule, "one IP access rule", nil, false},
		{"PATCH", "/zones/{zone}/firewall/access_rules/rules/{rule}", accessWrite, a.changeAccessRule, "change mode or notes of an IP access rule", accessIn{}, false},
		{"DELETE", "/zones/{zone}/firewall/access_rules/rules/{rule}", accessWrite, a.deleteAccessRule, "delete an IP access rule", nil, false},
		{"GET", "/accounts/{account}/rules/lists", listsRead, a.lists, "list named lists", nil, false},
		{"POST", "/accounts/{account}/rules/lists", listsWrite, a.createList, "make a list", listIn{}, false},
		{"GET", "/accounts/{account}/rules/lists/{list}", listsRead, a.list, "one list", nil, false},
		{"PUT", "/accounts/{account}/rules/lists/{list}", listsWrite, a.changeList, "change a list's description", listIn{}, false},
		{"DELETE", "/accounts/{account}/rules/lists/{list}", listsWrite, a.deleteList, "delete a list that no rule uses", nil, false},
		{"GET", "/accounts/{account}/rules/lists/{list}/{part}", listsRead, a.listPart, "items: a list's items; of the list bulk_operations: a change of items", nil, false},
		{"POST", "/accounts/{account}/rules/lists/{list}/items", listsWrite, a.addListItems, "add items", []itemIn{}, false},
		{"PUT", "/accounts/{account}/rules/lists/{list}/items", listsWrite, a.replaceListItems, "replace all items", []itemIn{}, false},
		{"DELETE", "/accounts/{account}/rules/lists/{list}/items", listsWrite, a.deleteListItems, "take items out", itemsOut{}, false},
		{"POST", "/graphql", anyToken, a.graphQL, "security events and counts of answers: viewer, zones, firewallEventsAdaptive, httpRequestsAdaptiveGroups", graphIn{}, true},
	}
}

// certificateRoutes serve certificates: for visitors, for origins, towards origins.
func (a *API) certificateRoutes() []route {
	return []route{
		{"GET", "/certificates", anyToken, a.originCerts, "origin CA certificates of a zone, ?zone_id", nil, false},
		{"POST", "/certificates", anyToken, a.createOriginCert, "have the edge's origin CA sign a certificate for an origin", originCertIn{}, false},
		{"GET", "/certificates/{cert}", anyToken, a.originCert, "one origin CA certificate", nil, false},
		{"DELETE", "/certificates/{cert}", anyToken, a.deleteOriginCert, "revoke an origin CA certificate", nil, false},
		{"GET", "/zones/{zone}/custom_certificates", sslRead, a.customCerts, "list uploaded certificates", nil, false},
		{"POST", "/zones/{zone}/custom_certificates", sslWrite, a.addCustomCert, "upload a certificate for visitors", certIn{}, false},
		{"GET", "/zones/{zone}/custom_certificates/{cert}", sslRead, a.customCert, "one uploaded certificate", nil, false},
		{"PATCH", "/zones/{zone}/custom_certificates/{cert}", sslWrite, a.replaceCustomCert, "replace an uploaded certificate", certIn{}, false},
		{"DELETE", "/zones/{zone}/custom_certificates/{cert}", sslWrite, a.deleteCustomCert, "delete an uploaded certificate", nil, false},
		{"GET", "/zones/{zone}/ssl/universal/settings", sslRead, a.universal, "does the edge obtain certificates for visitors", nil, false},
		{"PATCH", "/zones/{zone}/ssl/universal/settings", sslWrite, a.changeUniversal, "have the edge obtain certificates for visitors, or not", universalIn{}, false},
		{"GET", "/zones/{zone}/origin_tls_client_auth", sslRead, a.pullCerts, "client certificates for authenticated origin pulls", nil, false},
		{"POST", "/zones/{zone}/origin_tls_client_auth", sslWrite, a.addPullCert, "upload a client certificate", certIn{}, false},
		{"GET", "/zones/{zone}/origin_tls_client_auth/settings", sslRead, a.pullSettings, "are authenticated origin pulls on", nil, false},
		{"PUT", "/zones/{zone}/origin_tls_client_auth/settings", sslWrite, a.changePullSettings, "turn authenticated origin pulls on or off", pullSettingsIn{}, false},
		{"GET", "/zones/{zone}/origin_tls_client_auth/hostnames", sslRead, a.hostPulls, "host names with a client certificate of their own", nil, false},
		{"PUT", "/zones/{zone}/origin_tls_client_auth/hostnames", sslWrite, a.changeHostPulls, "set client certificates for host names", hostPullsIn{}, false},
		{"GET", "/zones/{zone}/origin_tls_client_auth/hostnames/{hostname}", sslRead, a.hostPull, "the client certificate of a host name", nil, false},
		{"GET", "/zones/{zone}/origin_tls_client_auth/hostnames/certificates", sslRead, a.hostCerts, "client certificates for host names", nil, false},
		{"POST", "/zones/{zone}/origin_tls_client_auth/hostnames/certificates", sslWrite, a.addHostCert, "upload a client certificate for host names", certIn{}, false},
		{"GET", "/zones/{zone}/origin_tls_client_auth/hostnames/certificates/{cert}", sslRead, a.hostCert, "one client certificate for host names", nil, false},
		{"DELETE", "/zones/{zone}/origin_tls_client_auth/hostnames/certificates/{cert}", sslWrite, a.deleteHostCert, "delete a client certificate for host names", nil, false},
		{"GET", "/zones/{zone}/acm/custom_trust_store", sslRead, a.trustStore, "authorities that the strict modes trust for origins of this zone, in place of the public ones", nil, false},
		{"POST", "/zones/{zone}/acm/custom_trust_store", sslWrite, a.addTrust, "add an authority", trustIn{}, false},
		{"GET", "/zones/{zone}/acm/custom_trust_store/{cert}", sslRead, a.oneTrust, "one authority", nil, false},
		{"DELETE", "/zones/{zone}/acm/custom_trust_store/{cert}", sslWrite, a.deleteTrust, "take an authority out", nil, false},
		{"GET", "/zones/{zone}/origin_tls_client_auth/{cert}", sslRead, a.pullCert, "one client certificate", nil, false},
		{"DELETE", "/zones/{zone}/origin_tls_client_auth/{cert}", sslWrite, a.deletePullCert, "delete a client certificate", nil, false},
	}
}

// ownRoutes serve what Cloudflare's API does not have: the edge's own record.
func (a *API) ownRoutes() []route {
	return []route{
		{"GET", "/originward/openapi.json", anyToken, a.openAPI, "this description", nil, false},
		{"GET", "/originward/metrics", analytics, reader(a.metrics), "metrics in Prometheus' forms", nil, false},
		{"GET", "/originward/diagnoses", logsRead, reader(a.listDiagnoses), "diagnoses that bursts of failures began", nil, false},
		{"GET", "/originward/diagnoses/{diagnosis}", logsRead, reader(a.diagnosis), "one diagnosis", nil, false},
		{"GET", "/originward/diagnoses/{diagnosis}/evidence", logsRead, reader(a.evidence), "its evidence, as originward explain reads it", nil, false},
		{"GET", "/originward/exchanges", logsRead, reader(a.exchanges), "recent exchanges with origins", nil, false},
		{"GET", "/originward/events", logsRead, reader(a.events), "recent security events", nil, false},
		{"GET", "/originward/events/{ray}", logsRead, reader(a.rayEvents), "what the security rules decided about one request", nil, false},
		{"GET", "/originward/rays/{ray}", logsRead, reader(a.ray), "what is known of one request", nil, false},
	}
}
