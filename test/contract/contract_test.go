package contract

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloudflare/cloudflare-go/v7/accounts"
	"github.com/cloudflare/cloudflare-go/v7/audit_logs"
	"github.com/cloudflare/cloudflare-go/v7/cache"
	"github.com/cloudflare/cloudflare-go/v7/custom_certificates"
	"github.com/cloudflare/cloudflare-go/v7/dns"
	"github.com/cloudflare/cloudflare-go/v7/ips"
	"github.com/cloudflare/cloudflare-go/v7/origin_tls_client_auth"
	"github.com/cloudflare/cloudflare-go/v7/rulesets"
	"github.com/cloudflare/cloudflare-go/v7/shared"
	"github.com/cloudflare/cloudflare-go/v7/user"
	"github.com/cloudflare/cloudflare-go/v7/zones"
	wire "github.com/miekg/dns"
)

// status is the HTTP status and the first error code of a refused call.
func status(t *testing.T, err error) (int, int64) {
	t.Helper()
	var api interface {
		error
		DumpResponse(bool) []byte
	}
	if !errors.As(err, &api) {
		t.Fatalf("no error of the API: %v", err)
	}
	head := string(api.DumpResponse(true))
	var code int
	if f := strings.Fields(head); len(f) > 1 {
		for _, c := range f[1] {
			code = code*10 + int(c-'0')
		}
	}
	_, rest, _ := strings.Cut(head, `"code":`)
	var n int64
	for _, c := range rest {
		if c < '0' || c > '9' {
			break
		}
		n = n*10 + int64(c-'0')
	}
	return code, n
}

func newZone(t *testing.T, e *edge, name string) string {
	t.Helper()
	acc := must[accountPage](t)(listAccounts(t, e))
	z := must[*zones.Zone](t)(zones.NewZoneService(e.options(rootToken)...).New(ctx(t), with(zones.ZoneNewParams{},
		"Account", with(zones.ZoneNewParamsAccount{}, "ID", acc[0].ID), "Name", name, "Type", zones.TypeFull)))
	if z.Name != name || z.Status != "active" || len(z.NameServers) != 2 || z.CreatedOn.IsZero() {
		t.Fatalf("zone %s", z.JSON.RawJSON())
	}
	return z.ID
}

type accountPage = []accounts.Account

func listAccounts(t *testing.T, e *edge) (accountPage, error) {
	page, err := accounts.NewAccountService(e.options(rootToken)...).List(ctx(t), accounts.AccountListParams{})
	if err != nil {
		return nil, err
	}
	return page.Result, nil
}

func TestZones(t *testing.T) {
	e := start(t)
	svc := zones.NewZoneService(e.options(rootToken)...)
	id := newZone(t, e, "shop.example")
	list := must[*listOfZones](t)(svc.List(ctx(t), with(zones.ZoneListParams{}, "Name", "shop.example")))
	if len(list.Result) != 1 || list.Result[0].ID != id {
		t.Errorf("list %+v", list)
	}
	got := must[*zones.Zone](t)(svc.Get(ctx(t), with(zones.ZoneGetParams{}, "ZoneID", id)))
	if got.Paused || got.Account.Name == "" {
		t.Errorf("get %+v", got)
	}
	if z := must[*zones.Zone](t)(svc.Edit(ctx(t), with(zones.ZoneEditParams{}, "ZoneID", id, "Paused", true))); !z.Paused {
		t.Errorf("edit %+v", z)
	}
	must[*zones.ActivationCheckTriggerResponse](t)(zones.NewActivationCheckService(e.options(rootToken)...).Trigger(ctx(t), with(zones.ActivationCheckTriggerParams{}, "ZoneID", id)))
	if d := must[*zones.ZoneDeleteResponse](t)(svc.Delete(ctx(t), with(zones.ZoneDeleteParams{}, "ZoneID", id))); d.ID != id {
		t.Errorf("delete %+v", d)
	}
	_, err := svc.Get(ctx(t), with(zones.ZoneGetParams{}, "ZoneID", id))
	if code, _ := status(t, err); code != 404 {
		t.Errorf("a deleted zone: %v", err)
	}
}

func TestRecords(t *testing.T) {
	e := start(t)
	id := newZone(t, e, "shop.example")
	svc := dns.NewRecordService(e.options(rootToken)...)
	body := with(dns.ARecordParam{}, "Name", "www.shop.example", "TTL", dns.TTL1, "Type", dns.ARecordTypeA, "Content", "203.0.113.1", "Proxied", true, "Comment", "by the SDK")
	rec := must[*dns.RecordResponse](t)(svc.New(ctx(t), with(dns.RecordNewParams{}, "ZoneID", id, "Body", body)))
	if rec.Name != "www.shop.example" || !rec.Proxied || !rec.Proxiable || rec.TTL != 1 || rec.Comment != "by the SDK" {
		t.Errorf("new %+v", rec)
	}
	if got := e.ask("www.shop.example", wire.TypeA); !slices.Equal(got, []string{"198.51.100.10"}) {
		t.Errorf("orange: %v", got)
	}
	// Grey: what DNS answers changes at once.
	began := time.Now()
	grey := with(dns.ARecordParam{}, "Name", "www.shop.example", "TTL", dns.TTL(120), "Type", dns.ARecordTypeA, "Content", "203.0.113.1", "Proxied", false)
	must[*dns.RecordResponse](t)(svc.Edit(ctx(t), rec.ID, with(dns.RecordEditParams{}, "ZoneID", id, "Body", grey)))
	answered := time.Now()
	for !slices.Equal(e.ask("www.shop.example", wire.TypeA), []string{"203.0.113.1"}) {
		if time.Since(answered) > 100*time.Millisecond {
			t.Fatal("100 ms after the call, DNS answers as before")
		}
	}
	t.Logf("grey in DNS %v after the call began", time.Since(began).Round(time.Millisecond))
	got := must[*dns.RecordResponse](t)(svc.Get(ctx(t), rec.ID, with(dns.RecordGetParams{}, "ZoneID", id)))
	if got.Proxied || got.TTL != 120 {
		t.Errorf("get %+v", got)
	}
	put := with(dns.ARecordParam{}, "Name", "www.shop.example", "TTL", dns.TTL(300), "Type", dns.ARecordTypeA, "Content", "203.0.113.2")
	must[*dns.RecordResponse](t)(svc.Update(ctx(t), rec.ID, with(dns.RecordUpdateParams{}, "ZoneID", id, "Body", put)))
	if got := e.ask("www.shop.example", wire.TypeA); !slices.Equal(got, []string{"203.0.113.2"}) {
		t.Errorf("replaced: %v", got)
	}
	_, err := svc.New(ctx(t), with(dns.RecordNewParams{}, "ZoneID", id, "Body", with(dns.ARecordParam{}, "Name", "x", "TTL", dns.TTL1, "Type", dns.ARecordTypeA, "Content", "nonsense")))
	if code, n := status(t, err); code != 400 || n != 9005 {
		t.Errorf("a wrong address: %v", err)
	}
	mx := with(dns.RecordNewParamsBody{}, "Name", "shop.example", "TTL", dns.TTL1, "Type", dns.RecordNewParamsBodyTypeMX, "Content", "mail.shop.example", "Priority", 10.0)
	must[*dns.RecordResponse](t)(svc.New(ctx(t), with(dns.RecordNewParams{}, "ZoneID", id, "Body", mx)))
	srv := with(dns.RecordNewParamsBody{}, "Name", "_sip._tcp.shop.example", "TTL", dns.TTL1, "Type", dns.RecordNewParamsBodyTypeSRV,
		"Data", map[string]any{"priority": 1, "weight": 2, "port": 5060, "target": "sip.shop.example"})
	must[*dns.RecordResponse](t)(svc.New(ctx(t), with(dns.RecordNewParams{}, "ZoneID", id, "Body", srv)))
	if got := e.ask("_sip._tcp.shop.example", wire.TypeSRV); !slices.Equal(got, []string{"1 2 5060 sip.shop.example."}) {
		t.Errorf("SRV: %v", got)
	}
	// All pages.
	n := 0
	for it := svc.ListAutoPaging(ctx(t), with(dns.RecordListParams{}, "ZoneID", id, "PerPage", 1.0)); it.Next(); {
		n++
	}
	if n != 3 {
		t.Errorf("%d records in all pages", n)
	}
	must[*dns.RecordDeleteResponse](t)(svc.Delete(ctx(t), rec.ID, with(dns.RecordDeleteParams{}, "ZoneID", id)))
	if got := e.ask("www.shop.example", wire.TypeA); len(got) != 0 {
		t.Errorf("deleted: %v", got)
	}
}

func TestBatchAndZoneFile(t *testing.T) {
	e := start(t)
	id := newZone(t, e, "shop.example")
	svc := dns.NewRecordService(e.options(rootToken)...)
	var posts []dns.RecordBatchParamsPostUnion
	for _, name := range []string{"a", "b", "c"} {
		posts = append(posts, with(dns.RecordBatchParamsPost{}, "Name", name, "TTL", dns.TTL1, "Type", dns.RecordBatchParamsPostsTypeA, "Content", "203.0.113.9"))
	}
	b := must[*dns.RecordBatchResponse](t)(svc.Batch(ctx(t), with(dns.RecordBatchParams{}, "ZoneID", id, "Posts", posts)))
	if len(b.Posts) != 3 {
		t.Fatalf("batch %+v", b)
	}
	text := must[*string](t)(svc.Export(ctx(t), with(dns.RecordExportParams{}, "ZoneID", id)))
	if !strings.Contains(*text, "a.shop.example.\t300\tIN\tA\t203.0.113.9") {
		t.Errorf("export %s", *text)
	}
	other := newZone(t, e, "other.example")
	file := strings.ReplaceAll(*text, "shop.example", "other.example")
	in := must[*dns.RecordImportResponse](t)(svc.Import(ctx(t), with(dns.RecordImportParams{}, "ZoneID", other, "File", file)))
	if in.RecsAdded != 3 {
		t.Errorf("import %+v", in)
	}
	if got := e.ask("c.other.example", wire.TypeA); !slices.Equal(got, []string{"203.0.113.9"}) {
		t.Errorf("imported: %v", got)
	}
}

func TestSettingsAndRulesets(t *testing.T) {
	e := start(t)
	id := newZone(t, e, "shop.example")
	set := zones.NewSettingService(e.options(rootToken)...)
	for name, v := range map[string]any{"ssl": "strict", "always_use_https": "on", "min_tls_version": "1.3", "proxy_read_timeout": 200} {
		must[*zones.SettingEditResponse](t)(set.Edit(ctx(t), name, with(zones.SettingEditParams{}, "ZoneID", id, "Body", with(zones.SettingEditParamsBody{}, "Value", v))))
		got := must[*zones.SettingGetResponse](t)(set.Get(ctx(t), name, with(zones.SettingGetParams{}, "ZoneID", id)))
		if got.ID != zones.SettingGetResponseID(name) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	_, err := set.Edit(ctx(t), "ssl", with(zones.SettingEditParams{}, "ZoneID", id, "Body", with(zones.SettingEditParamsBody{}, "Value", "sometimes")))
	if code, n := status(t, err); code != 400 || n != 1007 {
		t.Errorf("a wrong mode: %v", err)
	}
	phases := rulesets.NewPhaseService(e.options(rootToken)...)
	rule := with(rulesets.PhaseUpdateParamsRule{}, "Action", rulesets.PhaseUpdateParamsRulesAction("block"), "Expression", `http.request.uri.path eq "/admin"`, "Description", "no admin")
	up := must[*rulesets.PhaseUpdateResponseEnvelopeResult](t)(phases.Update(ctx(t), rulesets.PhaseHTTPRequestFirewallCustom,
		with(rulesets.PhaseUpdateParams{}, "ZoneID", id, "Rules", []rulesets.PhaseUpdateParamsRuleUnion{rule})))
	if len(up.Rules) != 1 || up.Rules[0].ID == "" {
		t.Fatalf("update %+v", up)
	}
	got := must[*rulesets.PhaseGetResponse](t)(phases.Get(ctx(t), rulesets.PhaseHTTPRequestFirewallCustom, with(rulesets.PhaseGetParams{}, "ZoneID", id)))
	if got.ID != up.ID || got.Rules[0].Expression != `http.request.uri.path eq "/admin"` || got.Phase != rulesets.PhaseHTTPRequestFirewallCustom {
		t.Errorf("get %+v", got)
	}
	list := must[*rulesetList](t)(rulesets.NewRulesetService(e.options(rootToken)...).List(ctx(t), with(rulesets.RulesetListParams{}, "ZoneID", id)))
	if len(list.Result) != 1 {
		t.Errorf("list %+v", list)
	}
	add := with(rulesets.RuleNewParamsBody{}, "Action", rulesets.RuleNewParamsBodyAction("log"), "Expression", "true")
	if r := must[*rulesets.RuleNewResponseEnvelopeResult](t)(rulesets.NewRuleService(e.options(rootToken)...).New(ctx(t), up.ID, with(rulesets.RuleNewParams{}, "ZoneID", id, "Body", add))); len(r.Rules) != 2 {
		t.Errorf("new rule %+v", r)
	}
	if r := must[*rulesets.RuleDeleteResponseEnvelopeResult](t)(rulesets.NewRuleService(e.options(rootToken)...).Delete(ctx(t), up.ID, up.Rules[0].ID, with(rulesets.RuleDeleteParams{}, "ZoneID", id))); len(r.Rules) != 1 {
		t.Errorf("delete rule %+v", r)
	}
	if err := rulesets.NewRulesetService(e.options(rootToken)...).Delete(ctx(t), up.ID, with(rulesets.RulesetDeleteParams{}, "ZoneID", id)); err != nil {
		t.Error(err)
	}
}

func TestTokens(t *testing.T) {
	e := start(t)
	id := newZone(t, e, "shop.example")
	newZone(t, e, "other.example")
	svc := user.NewTokenService(e.options(rootToken)...)
	groups := must[*groupPage](t)(user.NewTokenPermissionGroupService(e.options(rootToken)...).List(ctx(t), user.TokenPermissionGroupListParams{}))
	var dnsWrite string
	for _, g := range groups.Result {
		if g.Name == "DNS Write" {
			dnsWrite = g.ID
		}
	}
	policy := with(shared.TokenPolicyParam{}, "Effect", shared.TokenPolicyEffectAllow,
		"PermissionGroups", []shared.TokenPolicyPermissionGroupParam{with(shared.TokenPolicyPermissionGroupParam{}, "ID", dnsWrite)},
		"Resources", shared.TokenPolicyResourcesIAMResourcesTypeObjectStringParam{"com.cloudflare.api.account.zone." + id: "*"})
	made := must[*user.TokenNewResponse](t)(svc.New(ctx(t), with(user.TokenNewParams{}, "Name", "dns", "Policies", []shared.TokenPolicyParam{policy}, "ExpiresOn", time.Now().Add(time.Hour))))
	value := string(made.Value)
	if v := must[*user.TokenVerifyResponse](t)(user.NewTokenService(e.options(value)...).Verify(ctx(t))); v.Status != "active" || v.ID != made.ID || v.ExpiresOn.IsZero() {
		t.Errorf("verify %+v", v)
	}
	scoped := dns.NewRecordService(e.options(value)...)
	body := with(dns.ARecordParam{}, "Name", "www", "TTL", dns.TTL1, "Type", dns.ARecordTypeA, "Content", "203.0.113.1")
	must[*dns.RecordResponse](t)(scoped.New(ctx(t), with(dns.RecordNewParams{}, "ZoneID", id, "Body", body)))
	_, err := zones.NewZoneService(e.options(value)...).Delete(ctx(t), with(zones.ZoneDeleteParams{}, "ZoneID", id))
	if code, _ := status(t, err); code != 403 {
		t.Errorf("beyond its scope: %v", err)
	}
	rolled := must[*user.TokenValue](t)(user.NewTokenValueService(e.options(rootToken)...).Update(ctx(t), made.ID, with(user.TokenValueUpdateParams{}, "Body", map[string]any{})))
	if _, err := user.NewTokenService(e.options(value)...).Verify(ctx(t)); err == nil {
		t.Error("the old value is taken")
	}
	must[*user.TokenVerifyResponse](t)(user.NewTokenService(e.options(string(*rolled))...).Verify(ctx(t)))
	if list := must[*tokenPage](t)(svc.List(ctx(t), user.TokenListParams{})); len(list.Result) != 1 || list.Result[0].ID != made.ID {
		t.Errorf("list %+v", list)
	}
	must[*user.TokenDeleteResponse](t)(svc.Delete(ctx(t), made.ID))
	if _, err := user.NewTokenService(e.options(string(*rolled))...).Verify(ctx(t)); err == nil {
		t.Error("a deleted token is taken")
	}
}

func TestCertificatesAndTheRest(t *testing.T) {
	e := start(t)
	id := newZone(t, e, "shop.example")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"shop.example"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := func(kind string, b []byte) string {
		var out bytes.Buffer
		_ = pem.Encode(&out, &pem.Block{Type: kind, Bytes: b})
		return out.String()
	}
	cert, private := text("CERTIFICATE", der), text("PRIVATE KEY", keyDER)
	svc := custom_certificates.NewCustomCertificateService(e.options(rootToken)...)
	c := must[*custom_certificates.CustomCertificate](t)(svc.New(ctx(t), with(custom_certificates.CustomCertificateNewParams{}, "ZoneID", id, "Certificate", cert, "PrivateKey", private)))
	if c.Status != "active" || !slices.Equal(c.Hosts, []string{"shop.example"}) {
		t.Errorf("certificate %+v", c)
	}
	must[*custom_certificates.CustomCertificateDeleteResponse](t)(svc.Delete(ctx(t), c.ID, with(custom_certificates.CustomCertificateDeleteParams{}, "ZoneID", id)))
	pull := must[*origin_tls_client_auth.SettingUpdateResponse](t)(origin_tls_client_auth.NewSettingService(e.options(rootToken)...).Update(ctx(t), with(origin_tls_client_auth.SettingUpdateParams{}, "ZoneID", id, "Enabled", true)))
	if !pull.Enabled {
		t.Errorf("pull %+v", pull)
	}
	purged := must[*cache.CachePurgeResponse](t)(cache.NewCacheService(e.options(rootToken)...).Purge(ctx(t), with(cache.CachePurgeParams{}, "ZoneID", id,
		"Body", with(cache.CachePurgeParamsBodyCachePurgeEverything{}, "PurgeEverything", true))))
	if purged.ID != id {
		t.Errorf("purge %+v", purged)
	}
	on := must[*dns.DNSSEC](t)(dns.NewDNSSECService(e.options(rootToken)...).Edit(ctx(t), with(dns.DNSSECEditParams{}, "ZoneID", id, "Status", dns.DNSSECEditParamsStatusActive)))
	if on.Status != "active" || on.DS == "" {
		t.Errorf("DNSSEC %+v", on)
	}
	if keys := e.ask("shop.example", wire.TypeDNSKEY); len(keys) != 1 {
		t.Errorf("DNSKEY %v", keys)
	}
	list := must[*ips.IPListResponse](t)(ips.NewIPService(e.options(rootToken)...).List(ctx(t), ips.IPListParams{}))
	if !strings.Contains(list.JSON.RawJSON(), "127.0.0.1/32") {
		t.Errorf("ips %+v", list)
	}
	acc := must[accountPage](t)(listAccounts(t, e))
	log := must[*auditPage](t)(audit_logs.NewAuditLogService(e.options(rootToken)...).List(ctx(t), with(audit_logs.AuditLogListParams{}, "AccountID", acc[0].ID)))
	if len(log.Result) < 4 || log.Result[0].When.IsZero() || log.Result[0].Actor.Type == "" {
		t.Errorf("audit log %+v", log)
	}
	if strings.Contains(log.JSON.RawJSON(), "PRIVATE KEY") {
		t.Error("a private key stands in the audit log")
	}
}
