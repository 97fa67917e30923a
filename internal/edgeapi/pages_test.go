package edgeapi

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A zone's own error page goes before the account's, which goes before the edge's.
func TestCustomPages(t *testing.T) {
	k := startKept(t)
	zone := k.zone("shop.example")
	k.do("POST", zone+"/dns_records", `{"type":"A","name":"@","content":"127.0.0.77","proxied":true}`)
	k.do("PUT", zone+"/rulesets/phases/http_request_firewall_custom/entrypoint", `{"rules":[{"expression":"true","action":"block"}]}`)
	pages := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/gone":
			http.NotFound(w, r)
		case "/bare":
			fmt.Fprint(w, "no token here")
		default:
			fmt.Fprintf(w, "<p>page %s</p> ::CLOUDFLARE_ERROR_1000S_BOX:: ::RAY_ID::", r.URL.Path)
		}
	}))
	defer pages.Close()
	seen := func() string {
		t.Helper()
		resp, text := k.fetch("shop.example", "/")
		if resp.StatusCode != http.StatusForbidden {
			t.Fatalf("status %d", resp.StatusCode)
		}
		page, _, ok := strings.Cut(text, "</p>")
		if !ok || !strings.HasPrefix(page, "<p>page ") {
			return "the edge's own"
		}
		return strings.TrimPrefix(page, "<p>page ")
	}
	account := "/accounts/" + accountID + "/custom_pages/waf_block"
	own := zone + "/custom_pages/waf_block"
	set := func(path, url string) { k.do("PUT", path, `{"state":"customized","url":"`+pages.URL+url+`"}`) }
	for _, step := range []struct {
		do   func()
		want string
	}{
		{func() {}, "the edge's own"},
		{func() { set(account, "/account") }, "/account"},
		{func() { set(own, "/zone") }, "/zone"},
		{func() { set(own, "/zone2") }, "/zone2"},
		{func() { k.do("PUT", own, `{"state":"default"}`) }, "/account"},
		{func() { k.do("PUT", account, `{"state":"default","url":""}`) }, "the edge's own"},
	} {
		step.do()
		if got := seen(); got != step.want {
			t.Errorf("page %q, want %q", got, step.want)
		}
	}
	for _, url := range []string{pages.URL + "/gone", pages.URL + "/bare", "file:///etc/passwd"} {
		k.refused("PUT", own, `{"state":"customized","url":"`+url+`"}`, http.StatusBadRequest, codePageFetch, "/url")
	}
	k.refused("PUT", own, `{"state":"other"}`, http.StatusBadRequest, codeField, "/state")
	k.refused("GET", zone+"/custom_pages/nothing", "", http.StatusNotFound, codeNoObject, "")
}

// Who is not the owner cannot have the edge read what only it can reach.
func TestPagesOfPrivateNetworks(t *testing.T) {
	for _, address := range []string{"http://127.0.0.1:1/x", "http://[::1]:1/x", "http://10.0.0.1:1/x", "http://169.254.169.254/latest", "http://[fd00::1]:1/x"} {
		if _, err := fetchPage(context.Background(), address, false); err == nil || !strings.Contains(err.Error(), "no public address") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestAgentRules(t *testing.T) {
	k := startKept(t)
	zone := k.zone("shop.example")
	k.do("POST", zone+"/dns_records", `{"type":"A","name":"@","content":"127.0.0.77","proxied":true}`)
	made := k.do("POST", zone+"/firewall/ua_rules", `{"mode":"block","description":"us","configuration":{"target":"ua","value":"Go-http-client/1.1"}}`)
	if resp := k.visit("shop.example", "/"); resp.StatusCode != http.StatusForbidden {
		t.Errorf("a blocked agent gets %d", resp.StatusCode)
	}
	rule := zone + "/firewall/ua_rules/" + made["id"].(string)
	k.do("PUT", rule, `{"mode":"block","paused":true,"configuration":{"target":"ua","value":"Go-http-client/1.1"}}`)
	if resp := k.visit("shop.example", "/"); resp.StatusCode == http.StatusForbidden {
		t.Error("a paused rule blocks")
	}
	if got := k.do("GET", rule, ""); got["paused"] != true || got["description"] != "us" {
		t.Errorf("%v", got)
	}
	if all := k.list(zone + "/firewall/ua_rules?paused=true"); len(all) != 1 {
		t.Errorf("%v", all)
	}
	k.refused("POST", zone+"/firewall/ua_rules", `{"mode":"shout","configuration":{"target":"ua","value":"x"}}`, http.StatusBadRequest, codeField, "/mode")
	k.do("DELETE", rule, "")
	if all := k.list(zone + "/firewall/ua_rules"); len(all) != 0 {
		t.Errorf("%v", all)
	}
}
