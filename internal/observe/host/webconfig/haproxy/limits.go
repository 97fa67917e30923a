package haproxy

import (
	"regexp"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/webconfig/conf"
)

// counter is a fetch of a stick-table counter: sc_http_req_rate(0),
// sc0_conn_cur, src_conn_rate(table).
var counter = regexp.MustCompile(`^(sc|sc[0-9]+|src)_(conn_cur|conn_rate|conn_cnt|sess_rate|sess_cnt|http_req_rate|http_req_cnt|http_err_rate|http_err_cnt|gpc0_rate|gpc0|gpc1|bytes_in_rate|bytes_out_rate|http_fail_rate|glitch_rate|get_gpc0)\(?([0-9]*)`)

// limits are the refusals that depend on a counter, with the key it counts by.
func (r *reader) limits(s *section) []fact.Limit {
	var out []fact.Limit
	for _, a := range r.accessRules(s, r.named[s]) {
		if !a.refuse {
			continue
		}
		for _, text := range a.cond.fetches() {
			m := counter.FindStringSubmatch(text)
			if m == nil {
				continue
			}
			l := fact.Limit{Kind: "requests", Rate: conf.Show(text), Status: a.status, Name: m[2], Site: s.title(), Place: s.placed(a.l), Exempts: fact.Unknown}
			if strings.HasPrefix(m[2], "conn") || strings.HasPrefix(m[2], "sess") {
				l.Kind = "connections"
			}
			restored := a.after
			if m[1] == "src" {
				l.Key = "src"
			} else {
				id := strings.TrimPrefix(m[1], "sc")
				if id == "" {
					id = m[3]
				}
				var at line
				l.Key, at = tracked(s, id)
				restored = r.trackedAt(s, at)
			}
			l.PeerKey = peerKey(l.Key, restored)
			out = append(out, l)
		}
	}
	return out
}

// tracked is what a counter slot counts by.
func tracked(s *section, id string) (string, line) {
	for _, l := range s.lines {
		for i, w := range l.words {
			if w == "track-sc"+id {
				return conf.Show(l.word(i + 1)), l
			}
		}
	}
	return "", line{}
}

func (r *reader) trackedAt(s *section, l line) fact.Tri {
	if l.word(0) == "http-request" {
		return r.restoredAt(s, l)
	}
	return fact.No
}

func peerKey(key string, restored fact.Tri) fact.Tri {
	switch {
	case key == "":
		return fact.Unknown
	case key == "fc_src":
		return fact.Yes
	case key == "src" || strings.HasPrefix(key, "src,"):
		switch restored {
		case fact.Yes:
			return fact.No
		case fact.Unknown:
			return fact.Unknown
		}
		return fact.Yes
	}
	return fact.No
}
