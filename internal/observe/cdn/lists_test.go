package cdn

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/originward/originward/internal/cdn"
)

// Each CDN's list in its own form; what is no list is never one.
func TestReadPublished(t *testing.T) {
	for id, text := range map[cdn.ID]string{
		cdn.Cloudflare: `{"success":true,"result":{"ipv4_cidrs":["203.0.113.0/24"],"ipv6_cidrs":["2001:db8::/32"],"etag":"x"}}`,
		cdn.CloudFront: `{"syncToken":"1","prefixes":[{"ip_prefix":"203.0.113.0/24","region":"GLOBAL","service":"CLOUDFRONT_ORIGIN_FACING"},{"ip_prefix":"198.51.100.0/24","service":"EC2"},
			{"ip_prefix":"198.51.100.0/24","service":"CLOUDFRONT"}],"ipv6_prefixes":[{"ipv6_prefix":"2001:db8::/32","service":"CLOUDFRONT_ORIGIN_FACING"}]}`,
		cdn.Fastly: `{"addresses":["203.0.113.0/24"],"ipv6_addresses":["2001:db8::/32"]}`,
	} {
		got, err := ReadPublished(id, []byte(text))
		if err != nil || fmt.Sprint(got) != "[203.0.113.0/24 2001:db8::/32]" {
			t.Errorf("%s: %v %v", id, got, err)
		}
	}
	for _, text := range []string{`["203.0.113.7","2001:db8::7"]`, "203.0.113.7\n2001:db8::7\n"} {
		if got, err := ReadPublished(cdn.Bunny, []byte(text)); err != nil || fmt.Sprint(got) != "[203.0.113.7/32 2001:db8::7/128]" {
			t.Errorf("%v %v", got, err)
		}
	}
	for _, id := range Publishes() {
		for _, text := range []string{"", "{}", "[]", "<html>", `{"addresses":["nonsense"]}`, "null"} {
			if got, err := ReadPublished(id, []byte(text)); !errors.Is(err, ErrNoList) || len(got) > 0 {
				t.Errorf("%s %q: %v %v", id, text, got, err)
			}
		}
	}
	if _, err := ReadPublished(cdn.Akamai, nil); !errors.Is(err, ErrUnpublished) {
		t.Errorf("Akamai: %v", err)
	}
}

func TestToday(t *testing.T) {
	status := http.StatusOK
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/client/v4/ips" {
			t.Error(r.URL.Path)
		}
		w.WriteHeader(status)
		fmt.Fprint(w, `{"result":{"ipv4_cidrs":["203.0.113.0/24"],"ipv6_cidrs":[]}}`)
	}))
	defer srv.Close()
	if got, err := Today(t.Context(), cdn.Cloudflare, srv.URL, ""); err != nil || len(got) != 1 {
		t.Errorf("%v %v", got, err)
	}
	status = http.StatusBadGateway
	if _, err := Today(t.Context(), cdn.Cloudflare, srv.URL, ""); !errors.Is(err, ErrNoList) {
		t.Errorf("%v", err)
	}
}
