package edgeapi

import (
	"strings"
	"testing"
)

func TestDNSSEC(t *testing.T) {
	k := startKept(t)
	zone := k.zone("shop.example")
	if got := k.do("GET", zone+"/dnssec", ""); got["status"] != "disabled" || got["ds"] != nil {
		t.Errorf("before: %v", got)
	}
	k.refused("PATCH", zone+"/dnssec", `{"status":"maybe"}`, 400, codeField, "/status")
	on := k.do("PATCH", zone+"/dnssec", `{"status":"active"}`)
	if on["status"] != "active" || !strings.HasPrefix(on["ds"].(string), "shop.example. 3600 IN DS ") || on["algorithm"] != "13" {
		t.Errorf("on: %v", on)
	}
	// Again: the same key, for the parent has its digest.
	if again := k.do("PATCH", zone+"/dnssec", `{"status":"active"}`); again["digest"] != on["digest"] {
		t.Errorf("the key was changed: %v", again)
	}
	if got := k.do("GET", zone+"/dnssec", ""); got["digest"] != on["digest"] {
		t.Errorf("read: %v", got)
	}
	if z := k.edge.Config().Zones[1]; z.DNSSEC == nil || z.Serial == 0 {
		t.Errorf("not in force: %+v", z)
	}
	k.do("PATCH", zone+"/dnssec", `{"status":"disabled"}`)
	if k.edge.Config().Zones[1].DNSSEC != nil {
		t.Error("still signed")
	}
	if r := k.send("GET", "/user/audit_logs", ""); strings.Contains(string(r.raw), "PRIVATE KEY") {
		t.Error("the key stands in the audit log")
	}
}
