package edgeapi

import (
	"slices"
	"testing"

	"github.com/originward/originward/internal/config"
)

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

// HTTP/3 can be switched where the edge listens for it.
func TestHTTP3Setting(t *testing.T) {
	k := startKept(t)
	at := k.zone("shop.example") + "/settings/http3"
	if got := k.do("GET", at, ""); got["value"] != "off" {
		t.Errorf("without a listener: %v", got)
	}
	k.refused("PATCH", at, `{"value":"on"}`, 400, codeSetting, "/value")
	cfg := *k.edge.Config()
	cfg.Listen.HTTP3 = []string{"127.0.0.1:0"}
	cfg.Zones = slices.DeleteFunc(slices.Clone(cfg.Zones), func(z config.Zone) bool { return z.ID != "" }) // as in the file
	if err := k.edge.Apply(&cfg); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"off", "on"} {
		if got := k.do("PATCH", at, `{"value":"`+want+`"}`); got["value"] != want {
			t.Errorf("%s: %v", want, got)
		}
	}
}
