package edgeapi

import "testing"

// Certificates by ACME are switched as Universal SSL is, where there is a server.
func TestUniversalSSL(t *testing.T) {
	k := startKept(t)
	at := k.zone("shop.example") + "/ssl/universal/settings"
	k.refused("PATCH", at, `{"enabled":true}`, 400, codeField, "/enabled")
	k.refused("PATCH", at, `{}`, 400, codeField, "/enabled")

	k = startKeptWith(t, "data: "+t.TempDir()+"\nacme: {agree: true, directory: 'https://127.0.0.1:1/'}\n")
	zone := k.zone("shop.example")
	at = zone + "/ssl/universal/settings"
	if got := k.do("GET", at, ""); got["enabled"] != false {
		t.Errorf("at first %v", got)
	}
	for _, want := range []bool{true, false} {
		body := `{"enabled":false}`
		if want {
			body = `{"enabled":true}`
		}
		k.do("PATCH", at, body)
		if got := k.do("GET", at, ""); got["enabled"] != want {
			t.Errorf("after %s: %v", body, got)
		}
		for _, z := range k.edge.Config().Zones {
			if z.Name == "shop.example" && z.ACME != want {
				t.Errorf("in force: %v, want %v", z.ACME, want)
			}
		}
	}
}
