package config

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestOriginPulls(t *testing.T) {
	dir := files(t)
	parse := func(text string) (*Config, error) {
		return Loader{}.Parse(filepath.Join(dir, "edge.yaml"), []byte("listen: {}\n"+text))
	}
	const pair = "{cert: shop.pem, key: shop.key}"
	const host = "hostname: www.shop.example, cert: shop.pem, key: shop.key"
	c, err := parse("origin_pull_certificate: " + pair + "\nzones: [{name: shop.example, tls_client_auth: on, trust: [shop.pem], origin_pull_hostnames: [{" + host + "}]}]")
	if err != nil {
		t.Fatal(err)
	}
	if z := c.Zones[0]; c.PullCert == nil || !z.TLSClientAuth || len(z.Trust) != 1 || z.HostCerts["www.shop.example"] == nil {
		t.Errorf("%+v", z)
	}
	if _, err := parse("zones: [{name: shop.example, tls_client_auth: on, origin_pull_certificate: " + pair + "}]"); err != nil {
		t.Error(err)
	}
	zone := func(s string) string { return "zones:\n- name: shop.example\n  " + s }
	for text, want := range map[string]string{
		zone("tls_client_auth: on"):                                                           "edge.yaml:3: zones[0].tls_client_auth: there is no certificate to present",
		zone("trust: [empty.pem]"):                                                            "edge.yaml:4: zones[0].trust[0]",
		zone("origin_pull_hostnames: [{cert: shop.pem, key: shop.key}]"):                      "the host name is missing",
		zone("origin_pull_hostnames: [{hostname: www.shop.example}]"):                         "needs both files",
		zone("origin_pull_hostnames: [{hostname: a.example, cert: shop.pem, key: shop.key}]"): "not a name of the zone shop.example",
		zone("origin_pull_hostnames: [{" + host + "}, {" + host + "}]"):                       "given already",
	} {
		if _, err := parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n%v", text, err)
		}
	}
}
