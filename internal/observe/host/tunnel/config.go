package tunnel

import (
	"encoding/base64"
	"encoding/json"
	"net/netip"
	"net/url"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
)

// Bounds of hostile files.
const (
	maxConfig = 1 << 20
	maxRules  = 256
)

// config is what a connector's configuration file says.
type config struct {
	Tunnel      string `yaml:"tunnel"`
	Credentials string `yaml:"credentials-file"`
	URL         string `yaml:"url"`
	Metrics     string `yaml:"metrics"`
	LogFile     string `yaml:"logfile"`
	Ingress     []rule `yaml:"ingress" json:"ingress"`

	lines []int // of the ingress rules
}

type rule struct {
	Hostname string `yaml:"hostname" json:"hostname"`
	Path     string `yaml:"path" json:"path"`
	Service  string `yaml:"service" json:"service"`
}

// parseConfig reads a configuration file.
func parseConfig(b []byte) (config, error) {
	var c config
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		return c, err
	}
	if len(doc.Content) == 0 {
		return c, nil
	}
	if err := doc.Decode(&c); err != nil {
		return c, err
	}
	if len(c.Ingress) > maxRules {
		c.Ingress = c.Ingress[:maxRules]
	}
	top := doc.Content[0]
	for i := 0; i+1 < len(top.Content); i += 2 {
		if top.Content[i].Value == "ingress" {
			for _, n := range top.Content[i+1].Content {
				c.lines = append(c.lines, n.Line)
			}
		}
	}
	return c, nil
}

var uuid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// tokenID is the tunnel id in a connector's token: base64 of a JSON object
// whose "t" it is. The rest of the token is a secret and is dropped here.
func tokenID(token string) string {
	if len(token) > 4096 {
		return ""
	}
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(token))
	if err != nil {
		if b, err = base64.RawURLEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(token), "=")); err != nil {
			return ""
		}
	}
	var t struct {
		ID string `json:"t"`
	}
	if json.Unmarshal(b, &t) != nil || !uuid.MatchString(t.ID) {
		return ""
	}
	return strings.ToLower(t.ID)
}

// credentialsID is the tunnel id in a credentials file.
func credentialsID(b []byte) string {
	var c struct {
		ID string `json:"TunnelID"`
	}
	if json.Unmarshal(b, &c) != nil || !uuid.MatchString(c.ID) {
		return ""
	}
	return strings.ToLower(c.ID)
}

// ports of services that name none.
var ports = map[string]string{"http": "80", "https": "443", "ws": "80", "wss": "443", "ssh": "22", "rdp": "3389", "smb": "445", "tcp": "7864"}

// upstreamOf is the backend that a rule's service names; ok is false for
// services that the connector answers itself (http_status:404, hello_world).
func upstreamOf(service string, place fact.Place) (fact.Upstream, bool) {
	u := fact.Upstream{Name: escape.Line(service, 240), Runtime: fact.Yes, Place: place}
	for _, scheme := range []string{"unix", "unix+tls"} {
		if path, ok := strings.CutPrefix(service, scheme+":"); ok {
			u.Scheme, u.Socket = map[string]string{"unix": "http", "unix+tls": "https"}[scheme], escape.Line(strings.TrimPrefix(path, "//"), 240)
			return u, true
		}
	}
	v, err := url.Parse(service)
	if err != nil || v.Host == "" {
		return u, false
	}
	u.Scheme = strings.ToLower(v.Scheme)
	port := v.Port()
	if port == "" {
		port = ports[u.Scheme]
	}
	host := v.Hostname()
	if port == "" || host == "" {
		return u, false
	}
	if a, err := netip.ParseAddr(host); err == nil {
		if ap, err := netip.ParseAddrPort(netip.AddrPortFrom(a, 0).Addr().String() + ":" + port); err == nil {
			u.Addr = ap
		} else if ap, err := netip.ParseAddrPort("[" + a.String() + "]:" + port); err == nil {
			u.Addr = ap
		}
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	u.Name = escape.Line(host+":"+port, 240)
	if u.Scheme == "https" || u.Scheme == "wss" {
		u.SNI = fact.Yes
	}
	return u, true
}

// pushed is the configuration that the CDN sent to a connector which is
// managed from there: it stands in the connector's log, as JSON in a quoted
// field or in a JSON line.
var pushed = regexp.MustCompile(`Updated to new configuration.*?config=("(?:[^"\\]|\\.)*"|\{.*\})`)

func pushedConfig(line string) ([]rule, bool) {
	text := ""
	if m := pushed.FindStringSubmatch(line); m != nil {
		text = m[1]
		if strings.HasPrefix(text, `"`) {
			if json.Unmarshal([]byte(text), &text) != nil {
				return nil, false
			}
		}
	} else if strings.HasPrefix(line, "{") && strings.Contains(line, "Updated to new configuration") {
		var j struct {
			Config json.RawMessage `json:"config"`
		}
		if json.Unmarshal([]byte(line), &j) != nil {
			return nil, false
		}
		text = string(j.Config)
		var inner string
		if json.Unmarshal(j.Config, &inner) == nil {
			text = inner
		}
	}
	var c struct {
		Ingress []rule `json:"ingress"`
	}
	if text == "" || json.Unmarshal([]byte(text), &c) != nil || len(c.Ingress) == 0 {
		return nil, false
	}
	return c.Ingress[:min(len(c.Ingress), maxRules)], true
}
