package contract

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"testing"

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
