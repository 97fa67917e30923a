package contract

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/cloudflare/cloudflare-go/v7/custom_pages"
	"github.com/cloudflare/cloudflare-go/v7/firewall"
	"github.com/cloudflare/cloudflare-go/v7/origin_ca_certificates"
	"github.com/cloudflare/cloudflare-go/v7/rules"
	"github.com/cloudflare/cloudflare-go/v7/shared"
)

func TestAccessRulesAndLists(t *testing.T) {
	e := start(t)
	id := newZone(t, e, "shop.example")
	access := firewall.NewAccessRuleService(e.options(rootToken)...)
	target := with(firewall.AccessRuleNewParamsConfiguration{}, "Target", firewall.AccessRuleNewParamsConfigurationTargetIPRange, "Value", "192.0.2.0/24")
	rule := must[*firewall.AccessRuleNewResponse](t)(access.New(ctx(t), with(firewall.AccessRuleNewParams{}, "ZoneID", id, "Mode", firewall.AccessRuleNewParamsModeBlock, "Configuration", target)))
	if rule.Mode != "block" || rule.Configuration.Value != "192.0.2.0/24" {
		t.Errorf("access rule %+v", rule)
	}
	n := 0
	for it := access.ListAutoPaging(ctx(t), with(firewall.AccessRuleListParams{}, "ZoneID", id)); it.Next(); {
		n++
	}
	if n != 1 {
		t.Errorf("%d access rules", n)
	}
	must[*firewall.AccessRuleDeleteResponse](t)(access.Delete(ctx(t), rule.ID, with(firewall.AccessRuleDeleteParams{}, "ZoneID", id)))

	account := must[accountPage](t)(listAccounts(t, e))[0].ID
	l := must[*rules.ListNewResponse](t)(rules.NewListService(e.options(rootToken)...).New(ctx(t), with(rules.ListNewParams{}, "AccountID", account, "Kind", rules.ListNewParamsKindIP, "Name", "office")))
	var items []rules.ListItemNewParamsBodyUnion
	for i := range 1200 {
		items = append(items, with(rules.ListItemNewParamsBodyListsListItemIPComment{}, "IP", fmt.Sprintf("198.51.%d.%d", i/256, i%256)))
	}
	svc := rules.NewListItemService(e.options(rootToken)...)
	must[*rules.ListItemNewResponse](t)(svc.New(ctx(t), l.ID, with(rules.ListItemNewParams{}, "AccountID", account, "Body", items)))
	n = 0
	for it := svc.ListAutoPaging(ctx(t), l.ID, with(rules.ListItemListParams{}, "AccountID", account)); it.Next(); {
		n++
	}
	if n != len(items) {
		t.Errorf("%d items of %d", n, len(items))
	}
	must[*rules.ListDeleteResponse](t)(rules.NewListService(e.options(rootToken)...).Delete(ctx(t), l.ID, with(rules.ListDeleteParams{}, "AccountID", account)))
}

func TestAgentRulesAndPages(t *testing.T) {
	e := start(t)
	id := newZone(t, e, "shop.example")
	agents := firewall.NewUARuleService(e.options(rootToken)...)
	what := with(firewall.UARuleNewParamsConfiguration{}, "Target", firewall.UARuleNewParamsConfigurationTargetUA, "Value", "BadBot/1.0")
	rule := must[*firewall.UARuleNewResponse](t)(agents.New(ctx(t), with(firewall.UARuleNewParams{}, "ZoneID", id, "Mode", firewall.UARuleNewParamsModeBlock, "Configuration", what)))
	if rule.Mode != "block" || rule.Configuration.Value != "BadBot/1.0" || rule.Paused {
		t.Errorf("rule %+v", rule)
	}
	paused := must[*firewall.UARuleUpdateResponse](t)(agents.Update(ctx(t), rule.ID, with(firewall.UARuleUpdateParams{}, "ZoneID", id, "Mode", firewall.UARuleUpdateParamsModeChallenge,
		"Paused", true, "Configuration", with(firewall.UARuleUpdateParamsConfiguration{}, "Target", firewall.UARuleUpdateParamsConfigurationTarget("ua"), "Value", "BadBot/2.0"))))
	if !paused.Paused || paused.Mode != "challenge" {
		t.Errorf("paused %+v", paused)
	}
	n := 0
	for it := agents.ListAutoPaging(ctx(t), with(firewall.UARuleListParams{}, "ZoneID", id)); it.Next(); {
		n++
	}
	if n != 1 {
		t.Errorf("%d rules", n)
	}
	must[*firewall.UARuleDeleteResponse](t)(agents.Delete(ctx(t), rule.ID, with(firewall.UARuleDeleteParams{}, "ZoneID", id)))

	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "sorry ::CLOUDFLARE_ERROR_500S_BOX::")
	}))
	defer site.Close()
	pages := custom_pages.NewCustomPageService(e.options(rootToken)...)
	set := must[*custom_pages.CustomPageUpdateResponse](t)(pages.Update(ctx(t), "500_errors", with(custom_pages.CustomPageUpdateParams{}, "ZoneID", id,
		"State", custom_pages.CustomPageUpdateParamsStateCustomized, "URL", site.URL)))
	if set.State != "customized" || set.URL != site.URL {
		t.Errorf("page %+v", set)
	}
	got := must[*custom_pages.CustomPageGetResponse](t)(pages.Get(ctx(t), "500_errors", with(custom_pages.CustomPageGetParams{}, "ZoneID", id)))
	if got.State != "customized" || len(got.RequiredTokens) != 1 {
		t.Errorf("page %+v", got)
	}
	n = 0
	for it := pages.ListAutoPaging(ctx(t), with(custom_pages.CustomPageListParams{}, "ZoneID", id)); it.Next(); {
		n++
	}
	if n < 5 {
		t.Errorf("%d pages", n)
	}
}

func TestOriginCA(t *testing.T) {
	e := start(t)
	newZone(t, e, "shop.example")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	csr := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
	c := must[*origin_ca_certificates.OriginCACertificate](t)(origin_ca_certificates.NewOriginCACertificateService(e.options(rootToken)...).New(ctx(t),
		with(origin_ca_certificates.OriginCACertificateNewParams{}, "Csr", csr, "Hostnames", []string{"shop.example", "*.shop.example"}, "RequestType", shared.CertificateRequestTypeOriginECC)))
	block, _ := pem.Decode([]byte(c.Certificate))
	if block == nil {
		t.Fatalf("certificate %+v", c)
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil || leaf.VerifyHostname("www.shop.example") != nil {
		t.Errorf("certificate for %v: %v", leaf.DNSNames, err)
	}
}
