package edgeapi

import (
	"crypto/tls"
	"net/http"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/config"
)

type settingJSON struct {
	ID       string `json:"id"`
	Value    any    `json:"value"`
	Editable bool   `json:"editable"`
	Modified any    `json:"modified_on"`
}

// zoneSettings lists every setting, under Cloudflare's names and values.
var zoneSettings = []struct {
	id    string
	value func(*config.Config, *config.Zone) any
}{
	{"always_online", fixed("off")},
	{"always_use_https", func(_ *config.Config, z *config.Zone) any {
		return onOff(z.AlwaysUseHTTPS && z.SSL != originward.SSLOff)
	}},
	{"http2", fixed("on")},
	{"http3", fixed("off")},
	{"min_tls_version", func(_ *config.Config, z *config.Zone) any { return versionName(z.MinTLS) }},
	{"origin_max_http_version", fixed("2")},
	{"proxy_read_timeout", func(c *config.Config, z *config.Zone) any {
		if z.ReadTimeout > 0 {
			return int(z.ReadTimeout.Seconds())
		}
		return int(c.Timers.Read.Seconds())
	}},
	{"ssl", func(_ *config.Config, z *config.Zone) any { return string(z.SSL) }},
	{"ssl_automatic_mode", fixed("custom")},
	{"tls_client_auth", func(_ *config.Config, z *config.Zone) any { return onOff(z.ClientCert != nil) }},
	{"websockets", fixed("on")},
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

func (a *API) settings(r *http.Request) (*reply, error) {
	z, err := a.findZone(r)
	if err != nil {
		return nil, err
	}
	cfg := a.edge.Config()
	out := make([]settingJSON, len(zoneSettings))
	for i, s := range zoneSettings {
		out[i] = settingJSON{ID: s.id, Value: s.value(cfg, z)}
	}
	return &reply{result: out}, nil
}

func (a *API) setting(r *http.Request) (*reply, error) {
	z, err := a.findZone(r)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, s := range zoneSettings {
		if s.id == r.PathValue("setting") {
			return &reply{result: settingJSON{ID: s.id, Value: s.value(a.edge.Config(), z)}}, nil
		}
		names = append(names, s.id)
	}
	return nil, &failure{http.StatusNotFound, codeNoObject, "no setting has this name. There are: " + strings.Join(names, ", ")}
}
