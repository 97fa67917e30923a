package edgeapi

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/store"
)

type settingJSON struct {
	ID       string     `json:"id"`
	Value    any        `json:"value"`
	Editable bool       `json:"editable"`
	Modified *time.Time `json:"modified_on"`
}

// settingDef is what is known of one setting.
type settingDef struct {
	id    string
	value func(*config.Config, *config.Zone) any // as it is in force
	// allowed are the values that it can be given; nil = it is fixed, or a number.
	allowed []string
	lo, hi  int  // of numbers
	key     bool // the configuration has a key of this name
	// lacks tells what is allowed in place of a value that the edge lacks something for;
	// empty = nothing. nil = it has everything.
	lacks func(c *config.Config, value string) string
}

var switchable = []string{"on", "off"}

// settingPull is the switch of authenticated origin pulls with a certificate of
// the zone; it has calls of its own.
const settingPull = "origin_tls_client_auth"

// settingAuth is the switch of authenticated origin pulls with the edge's own certificate.
const settingAuth = "tls_client_auth"

// zoneSettings lists every setting, under Cloudflare's names and values.
var zoneSettings = []settingDef{
	{id: "always_online", value: fixed("off")},
	{id: "always_use_https", allowed: switchable, key: true, value: func(_ *config.Config, z *config.Zone) any {
		return onOff(z.AlwaysUseHTTPS && z.SSL != originward.SSLOff)
	}},
	{id: "hotlink_protection", allowed: switchable, value: func(_ *config.Config, z *config.Zone) any { return onOff(z.Rules.Hotlink) }},
	{id: "http2", allowed: switchable, key: true, value: func(_ *config.Config, z *config.Zone) any { return onOff(!z.NoHTTP2) }},
	{id: "http3", allowed: switchable, key: true, value: func(c *config.Config, z *config.Zone) any { return onOff(len(c.Listen.HTTP3) > 0 && !z.NoHTTP3) },
		lacks: func(c *config.Config, v string) string {
			if v == "on" && len(c.Listen.HTTP3) == 0 {
				return "off; the edge does not listen for HTTP/3 (listen.http3 in its configuration)"
			}
			return ""
		}},
	{id: "min_tls_version", allowed: []string{"1.0", "1.1", "1.2", "1.3"}, key: true, value: func(_ *config.Config, z *config.Zone) any { return versionName(z.MinTLS) }},
	{id: "origin_max_http_version", allowed: []string{"1", "2"}, key: true, value: func(_ *config.Config, z *config.Zone) any {
		if z.OriginHTTP1 {
			return "1"
		}
		return "2"
	}},
	// At most 6,000 seconds (cloudflare connection-limits).
	{id: "proxy_read_timeout", lo: 1, hi: 6000, key: true, value: func(c *config.Config, z *config.Zone) any {
		if z.ReadTimeout > 0 {
			return int(z.ReadTimeout.Seconds())
		}
		return int(c.Timers.Read.Seconds())
	}},
	{id: "ssl", allowed: sslModes(), key: true, value: func(_ *config.Config, z *config.Zone) any { return string(z.SSL) }},
	{id: "ssl_automatic_mode", value: fixed("custom")},
	{id: settingAuth, allowed: switchable, value: func(_ *config.Config, z *config.Zone) any {
		return onOff(z.TLSClientAuth || z.ClientCert != nil && z.ID == "")
	}},
	{id: "websockets", value: fixed("on")},
}

func sslModes() (names []string) {
	for _, m := range originward.SSLModes() {
		names = append(names, string(m))
	}
	return names
}

func fixed(v string) func(*config.Config, *config.Zone) any {
	return func(*config.Config, *config.Zone) any { return v }
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func versionName(v uint16) string {
	switch v {
	case tls.VersionTLS10:
		return "1.0"
	case tls.VersionTLS11:
		return "1.1"
	case tls.VersionTLS13:
		return "1.3"
	}
	return "1.2"
}

func settingOf(id string) (settingDef, error) {
	var names []string
	for _, s := range zoneSettings {
		if s.id == id {
			return s, nil
		}
		names = append(names, s.id)
	}
	return settingDef{}, &failure{http.StatusNotFound, codeNoObject, "no setting has this name. There are: " + strings.Join(names, ", ")}
}

func (s settingDef) editable(z *config.Zone) bool {
	return z.ID != "" && (s.allowed != nil || s.hi > 0)
}

func (a *API) settingNow(s settingDef, z *config.Zone) settingJSON {
	return settingJSON{ID: s.id, Value: s.value(a.edge.Config(), z), Editable: s.editable(z)}
}

func (a *API) settings(c *call) (*reply, error) {
	z, err := a.findZone(c.Request)
	if err != nil {
		return nil, err
	}
	out := make([]settingJSON, len(zoneSettings))
	for i, s := range zoneSettings {
		out[i] = a.settingNow(s, z)
	}
	return &reply{result: out}, nil
}

func (a *API) setting(c *call) (*reply, error) {
	z, err := a.findZone(c.Request)
	if err != nil {
		return nil, err
	}
	s, err := settingOf(c.PathValue("setting"))
	if err != nil {
		return nil, err
	}
	return &reply{result: a.settingNow(s, z)}, nil
}

// settingIn is a setting's new value.
type settingIn struct {
	ID    string          `json:"id,omitempty"` // in a list
	Value json.RawMessage `json:"value"`
}

// settingsIn is a list of them.
type settingsIn struct {
	Items []settingIn `json:"items"`
}

// check gives the value in its one form.
func (s settingDef) check(v json.RawMessage, now any, cfg *config.Config) (json.RawMessage, error) {
	bad := func(want string) error {
		return invalid(codeSetting, "/value", fmt.Sprintf("Invalid value for zone setting %s: %s. Allowed: %s", s.id, escape.Line(string(v), 60), want))
	}
	switch {
	case s.hi > 0:
		var n int
		if json.Unmarshal(v, &n) != nil || n < s.lo || n > s.hi {
			return nil, bad(fmt.Sprintf("a number from %d to %d", s.lo, s.hi))
		}
		return json.Marshal(n)
	case s.allowed != nil:
		var t string
		if json.Unmarshal(v, &t) != nil || !slices.Contains(s.allowed, t) {
			return nil, bad(strings.Join(s.allowed, ", "))
		}
		if s.lacks != nil {
			if want := s.lacks(cfg, t); want != "" {
				return nil, bad(want)
			}
		}
		return json.Marshal(t)
	}
	var t string
	if json.Unmarshal(v, &t) != nil || t != now {
		return nil, bad(fmt.Sprint(now) + "; this edge has it so always")
	}
	return nil, nil // it is so anyway
}

func (a *API) changeSetting(c *call) (*reply, error) {
	s, err := settingOf(c.PathValue("setting"))
	if err != nil {
		return nil, err
	}
	var in settingIn
	if err := c.read(&in); err != nil {
		return nil, err
	}
	if err := a.putSettings(c, []settingDef{s}, []settingIn{in}, func(int) string { return "" }); err != nil {
		return nil, err
	}
	return a.setting(c)
}

func (a *API) changeSettings(c *call) (*reply, error) {
	var in settingsIn
	if err := c.read(&in); err != nil {
		return nil, err
	}
	if len(in.Items) == 0 {
		return nil, invalid(codeField, "/items", "items must not be empty")
	}
	var defs []settingDef
	for i, x := range in.Items {
		s, err := settingOf(x.ID)
		if err != nil {
			return nil, within(err, fmt.Sprintf("/items/%d/id", i))
		}
		defs = append(defs, s)
	}
	if err := a.putSettings(c, defs, in.Items, func(i int) string { return fmt.Sprintf("/items/%d", i) }); err != nil {
		return nil, err
	}
	return a.settings(c)
}

// putSettings keeps values; at gives the place of each in the body.
func (a *API) putSettings(c *call, defs []settingDef, in []settingIn, at func(int) string) error {
	now, err := a.findZone(c.Request)
	if err != nil {
		return err
	}
	_, err = a.updateZone(c, func(string) string { return "/value" }, func(z *store.Zone) error {
		for i, s := range defs {
			v, err := s.check(in[i].Value, s.value(a.edge.Config(), now), a.edge.Config())
			if err != nil {
				return within(err, at(i))
			}
			if v != nil {
				z.Settings[s.id] = v
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return nil
}
