package config

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestACME(t *testing.T) {
	dir := files(t)
	write(t, dir, "mac", []byte("c2VjcmV0LW9mLXRoZS1hY2NvdW50\n"))
	write(t, dir, "nomac", []byte("!\n"))
	parse := func(text string) (*Config, error) {
		return Loader{}.Parse(filepath.Join(dir, "edge.yaml"), []byte(text))
	}
	const head = "listen: {http: [':80'], https: [':443']}\ndata: state\n"
	c, err := parse(head + "acme: {email: ops@shop.example, agree: true}\nzones: [{name: shop.example, acme: on}]")
	if err != nil {
		t.Fatal(err)
	}
	if a := c.ACME; a.Directory != defaultDirectory || a.Email != "ops@shop.example" || !slices.Equal(a.Challenges, []string{"http-01", "tls-alpn-01"}) || !c.Zones[0].ACME {
		t.Errorf("%+v", a)
	}
	c, err = parse(head + "acme: {agree: true, directory: 'https://ca.example/dir', ca_file: shop.pem, challenges: [http-01, dns-01], eab: {key_id: k1, mac_key_file: mac}}")
	if err != nil {
		t.Fatal(err)
	}
	if a := c.ACME; len(a.Roots) != 1 || a.KeyID != "k1" || a.MACKey != "c2VjcmV0LW9mLXRoZS1hY2NvdW50" {
		t.Errorf("%+v", a)
	}
	c, err = parse(head + "acme: {agree: true}\nzones:\n- name: shop.example\n  acme: true\n  certificate: {cert: shop.pem, key: shop.key}")
	if err != nil || len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0].Error(), "edge.yaml:6: zones[0].acme") {
		t.Errorf("%v, %v", c, err)
	}
	for text, want := range map[string]string{
		head + "acme: {email: ops@shop.example}":                               "edge.yaml:3: acme: certificates are issued to those who agree",
		head + "acme: {agree: true, email: ops}":                               "edge.yaml:3: acme.email",
		head + "acme: {agree: true, directory: 'http://ca.example/'}":          "edge.yaml:3: acme.directory",
		head + "acme: {agree: true, challenges: [http]}":                       "allowed: http-01, tls-alpn-01, dns-01",
		head + "acme: {agree: true, challenges: [dns-01]}":                     "listen.dns for dns-01",
		head + "acme: {agree: true, ca_file: empty.pem}":                       "no certificate in this file",
		head + "acme: {agree: true, eab: {key_id: k1}}":                        "needs both",
		head + "acme: {agree: true, eab: {key_id: k1, mac_key_file: nomac}}":   "base64url",
		"listen: {http: [':80']}\nacme: {agree: true}":                         "edge.yaml:2: acme: accounts and certificates have to be kept",
		"listen: {}\ndata: state\nacme: {agree: true}":                         "no challenge can be met",
		head + "zones:\n- name: a.example\n- name: shop.example\n  acme: true": "edge.yaml:5: zones[1].acme: there is no server",
	} {
		if _, err := parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n%v", text, err)
		}
	}
}
