package dnsrec

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/originward/originward"
)

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		in      Record
		name    string
		content string
		rr      string // after TTL and class
	}{
		{Record{Type: "a", Name: "@", Content: "192.0.2.1"}, "shop.example", "192.0.2.1", "A\t192.0.2.1"},
		{Record{Type: "AAAA", Name: "www", Content: "2001:DB8:0::1"}, "www.shop.example", "2001:db8::1", "AAAA\t2001:db8::1"},
		{Record{Type: "CNAME", Name: "*.Shop.example.", Content: "Target.Example."}, "*.shop.example", "target.example", "CNAME\ttarget.example."},
		{Record{Type: "CNAME", Name: "*", Content: "t.example"}, "*.shop.example", "t.example", "CNAME\tt.example."},
		{Record{Type: "TXT", Name: "_x", Content: "v=spf1 -all; x"}, "_x.shop.example", "v=spf1 -all; x", "TXT\t\"v=spf1 -all; x\""},
		{Record{Type: "TXT", Name: "@", Content: `"a b" "c\"d"`}, "shop.example", `"a b" "c\"d"`, `TXT	"a b" "c\"d"`},
		{Record{Type: "TXT", Name: "@", Content: "ü"}, "shop.example", "ü", `TXT	"\195\188"`},
		{Record{Type: "MX", Name: "@", Content: "mail.shop.example", Priority: 10}, "shop.example", "mail.shop.example", "MX\t10 mail.shop.example."},
		{Record{Type: "MX", Name: "@", Content: "20 mail.shop.example."}, "shop.example", "mail.shop.example", "MX\t20 mail.shop.example."},
		{Record{Type: "MX", Name: "@", Content: "."}, "shop.example", ".", "MX\t0 ."},
		{Record{Type: "SRV", Name: "_sip._tcp", Content: "1 5060 sip.shop.example", Priority: 5}, "_sip._tcp.shop.example", "1 5060 sip.shop.example", "SRV\t5 1 5060 sip.shop.example."},
		{Record{Type: "SRV", Name: "_sip._tcp", Data: json.RawMessage(`{"priority":5,"weight":1,"port":5060,"target":"sip.shop.example"}`)}, "_sip._tcp.shop.example", "1 5060 sip.shop.example", "SRV\t5 1 5060 sip.shop.example."},
		{Record{Type: "CAA", Name: "@", Data: json.RawMessage(`{"flags":0,"tag":"issue","value":"letsencrypt.org"}`)}, "shop.example", `0 issue "letsencrypt.org"`, `CAA	0 issue "letsencrypt.org"`},
		{Record{Type: "HTTPS", Name: "@", Content: `1 . alpn="h2,h3"`}, "shop.example", `1 . alpn="h2,h3"`, `HTTPS	1 . alpn="h2,h3"`},
		{Record{Type: "SVCB", Name: "@", Data: json.RawMessage(`{"priority":0,"target":"x.example"}`)}, "shop.example", "0 x.example", "SVCB\t0 x.example."},
		{Record{Type: "SSHFP", Name: "h", Content: "4 2 " + strings.Repeat("ab", 32)}, "h.shop.example", "4 2 " + strings.Repeat("ab", 32), "SSHFP\t4 2 " + strings.Repeat("AB", 32)},
		{Record{Type: "TLSA", Name: "_443._tcp", Content: "3 1 1 " + strings.Repeat("ab", 32)}, "_443._tcp.shop.example", "3 1 1 " + strings.Repeat("ab", 32), "TLSA\t3 1 1 " + strings.Repeat("ab", 32)},
		{Record{Type: "NAPTR", Name: "@", Content: `100 10 "S" "SIP+D2U" "" _sip._udp.shop.example`}, "shop.example", `100 10 "S" "SIP+D2U" "" _sip._udp.shop.example`, `NAPTR	100 10 "S" "SIP+D2U" "" _sip._udp.shop.example.`},
		{Record{Type: "URI", Name: "@", Priority: 10, Content: `1 "https://shop.example/"`}, "shop.example", `1 "https://shop.example/"`, `URI	10 1 "https://shop.example/"`},
		{Record{Type: "LOC", Name: "@", Content: "51 30 12.748 N 00 07 39.612 W 0.00m 0.00m 0.00m 0.00m"}, "shop.example", "51 30 12.748 N 00 07 39.612 W 0.00m 0.00m 0.00m 0.00m", "LOC\t51 30 12.748 N 00 07 39.612 W 0m 0.00m 0.00m 0.00m"},
		{Record{Type: "DS", Name: "sub", Content: "2371 13 2 " + strings.Repeat("1f", 32)}, "sub.shop.example", "2371 13 2 " + strings.Repeat("1f", 32), "DS\t2371 13 2 " + strings.Repeat("1F", 32)},
	} {
		got, p := Check("shop.example", c.in)
		if p != nil {
			t.Errorf("%s %q: %v", c.in.Type, c.in.Content, p)
			continue
		}
		if got.Name != c.name || got.Content != c.content {
			t.Errorf("%s %q: name %q, content %q", c.in.Type, c.in.Content, got.Name, got.Content)
		}
		rr, err := got.RR(300)
		if err != nil {
			t.Errorf("%s %q: %v", c.in.Type, c.in.Content, err)
			continue
		}
		if want := dns.Fqdn(c.name) + "\t300\tIN\t" + c.rr; rr.String() != want {
			t.Errorf("%s\n got %s\nwant %s", c.in.Type, rr, want)
		}
		// Once in its form, it stays: also by way of a zone file.
		again, p := Check("shop.example", got)
		if p != nil || again.Content != got.Content || string(again.Data) != string(got.Data) {
			t.Errorf("%s again: %+v, %v; was %+v", got.Type, again, p, got)
		}
		back, p := Check("shop.example", FromRR(rr))
		if p != nil {
			t.Errorf("%s from a zone file: %v", got.Type, p)
		} else if rr2, err := back.RR(300); err != nil || rr2.String() != rr.String() {
			t.Errorf("%s from a zone file: %v, %v; was %v", got.Type, rr2, err, rr)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	for _, c := range []struct {
		in    Record
		code  int
		field string
	}{
		{Record{Type: "A", Name: "@", Content: "2001:db8::1"}, codeA, "/content"},
		{Record{Type: "A", Name: "@", Content: "shop.example"}, codeA, "/content"},
		{Record{Type: "AAAA", Name: "@", Content: "192.0.2.1"}, codeAAAA, "/content"},
		{Record{Type: "AAAA", Name: "@", Content: "fe80::1%eth0"}, codeAAAA, "/content"},
		{Record{Type: "CNAME", Name: "www", Content: "192.0.2.1"}, codeCNAME, "/content"},
		{Record{Type: "CNAME", Name: "www", Content: "a b"}, codeCNAME, "/content"},
		{Record{Type: "A", Name: "", Content: "192.0.2.1"}, codeName, "/name"},
		{Record{Type: "A", Name: "a..b", Content: "192.0.2.1"}, codeName, "/name"},
		{Record{Type: "A", Name: "www.other.example.", Content: "192.0.2.1"}, codeName, "/name"},
		{Record{Type: "A", Name: strings.Repeat("a.", 130), Content: "192.0.2.1"}, codeName, "/name"},
		{Record{Type: "ANY", Name: "@", Content: "x"}, codeType, "/type"},
		{Record{Type: "SOA", Name: "@", Content: "x"}, codeType, "/type"},
		{Record{Type: "MX", Name: "@", Content: "mail.example", Priority: 70000}, codePrio, "/priority"},
		{Record{Type: "MX", Name: "@", Content: "x mail.example"}, codeMX, "/content"},
		{Record{Type: "TXT", Name: "@"}, codeContent, "/content"},
		{Record{Type: "TXT", Name: "@", Content: "a\nb"}, codeContent, "/content"},
		{Record{Type: "TXT", Name: "@", Content: `"open`}, codeContent, "/content"},
		{Record{Type: "SRV", Name: "_s._tcp", Content: "1 70000 x.example"}, codeContent, "/content"},
		{Record{Type: "SRV", Name: "_s._tcp", Data: json.RawMessage(`{"weight":1,"port":70000,"target":"x.example"}`)}, codeData, "/data/port"},
		{Record{Type: "SRV", Name: "_s._tcp", Data: json.RawMessage(`{"weight":1}`)}, codeData, "/data/port"},
		{Record{Type: "SRV", Name: "_s._tcp", Data: json.RawMessage(`[]`)}, codeData, "/data"},
		{Record{Type: "CAA", Name: "@", Data: json.RawMessage(`{"flags":0,"tag":"is sue","value":"x"}`)}, codeData, "/data/tag"},
		{Record{Type: "TLSA", Name: "@", Content: "3 1 1 zz"}, codeContent, "/content"},
		{Record{Type: "HTTPS", Name: "@", Content: "1 . nonsense=\"1\""}, codeContent, "/content"},
		{Record{Type: "LOC", Name: "@", Content: "1 ) A 192.0.2.1"}, codeContent, "/content"},
		{Record{Type: "TXT", Name: "@", Content: strings.Repeat("a", maxContent+1)}, codeLong, "/content"},
	} {
		got, p := Check("shop.example", c.in)
		if p == nil || p.Code != c.code || p.Field != c.field {
			t.Errorf("%s %q %q: %+v, %v; want code %d at %s", c.in.Type, c.in.Name, bound(c.in.Content), got, p, c.code, c.field)
		}
	}
}

func TestEveryTypeIsNamed(t *testing.T) {
	if len(Types()) != len(kinds) {
		t.Errorf("%d types are named, %d known", len(Types()), len(kinds))
	}
	for _, k := range Types() {
		if !Known(k) || dns.StringToType[string(k)] == 0 {
			t.Errorf("%s is named but not known", k)
		}
	}
}

func TestZoneName(t *testing.T) {
	for in, want := range map[string]string{"Shop.Example.": "shop.example", "münchen.example": "xn--mnchen-3ya.example", "localhost": "", "192.0.2.1": "", "a b.example": "", "": ""} {
		if got, err := ZoneName(in); (err == nil) != (want != "") || err == nil && got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("TXT", "@", `"a" "b`, "")
	f.Add("SRV", "_a._b", "", `{"weight":1,"port":2,"target":"."}`)
	f.Add("HTTPS", "x", `1 . alpn="h2" ipv4hint=192.0.2.1`, "")
	f.Add("LOC", "x", "1 N 2 W 3m", "")
	f.Add("NAPTR", "*", `1 2 "\034" "" "!^.*$!x!" .`, "")
	f.Fuzz(func(t *testing.T, typ, name, content, data string) {
		r, p := Check("shop.example", Record{Type: originward.RecordType(typ), Name: name, Content: content, Data: json.RawMessage(data)})
		if p != nil {
			return
		}
		if _, err := r.RR(1); err != nil {
			t.Fatalf("%+v was accepted and cannot be answered: %v", r, err)
		}
		again, p := Check("shop.example", r)
		if p != nil || again.Content != r.Content || again.Name != r.Name {
			t.Fatalf("%+v was accepted; again: %+v, %v", r, again, p)
		}
	})
}
