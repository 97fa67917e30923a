package apache

import (
	"strconv"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/webconfig/conf"
)

// option is a directive that bears on the hop from the edge, with Apache's own
// default (httpd 2.4 documentation, read 2026-11); empty = none is stated.
type option struct {
	name string
	def  string
}

var timeOptions = []option{
	{"Timeout", "60"}, {"KeepAliveTimeout", "5"}, {"ProxyTimeout", ""}, {"RequestReadTimeout", ""}, {"GracefulShutdownTimeout", ""},
	{"H2KeepAliveTimeout", ""}, {"SSLSessionCacheTimeout", ""},
}

var otherOptions = []option{
	{"KeepAlive", "On"}, {"MaxKeepAliveRequests", "100"}, {"MaxRequestWorkers", ""}, {"MaxClients", ""}, {"ServerLimit", ""},
	{"ThreadsPerChild", ""}, {"AsyncRequestWorkerFactor", ""}, {"StartServers", ""}, {"MaxConnectionsPerChild", ""}, {"ListenBacklog", "511"},
	{"LimitRequestFieldSize", "8190"}, {"LimitRequestFields", "100"}, {"LimitRequestLine", "8190"}, {"LimitRequestBody", ""},
	{"Protocols", ""}, {"H2Direct", ""}, {"H2MaxSessionStreams", ""}, {"SSLStrictSNIVHostCheck", ""}, {"SSLCertificateChainFile", ""},
	{"SSLCACertificateFile", ""}, {"SSLCACertificatePath", ""}, {"SSLProxyEngine", ""}, {"SSLProxyVerify", ""}, {"SSLProxyCheckPeerName", ""},
	{"ProxyPreserveHost", ""}, {"ProxyAddHeaders", ""}, {"HostnameLookups", ""}, {"User", ""}, {"PidFile", ""}, {"UseCanonicalName", ""},
	{"SecRuleEngine", ""}, {"SecRequestBodyLimit", ""}, {"DOSBlockingPeriod", ""}, {"DOSSystemCommand", ""}, {"DOSEmailNotify", ""}, {"MDomain", ""},
	{"SSLUseStapling", ""}, {"ServerTokens", ""}, {"AcceptFilter", ""}, {"HttpProtocolOptions", ""}, {"SetEnvIf", ""}, {"RequestHeader", ""},
}

// settings lists the directives of interest as written, and the defaults of
// those that are written nowhere.
func (r *reader) settings() (times, others []fact.Setting) {
	timeNames, otherNames := index(timeOptions), index(otherOptions)
	written := map[string]bool{}
	r.each(func(in []*node, n *node) {
		if len(times)+len(others) >= maxEntries {
			return
		}
		name, isTime := timeNames[n.name]
		if !isTime {
			var ok bool
			if name, ok = otherNames[n.name]; !ok {
				return
			}
		}
		site, _ := scope(in)
		s := fact.Setting{Name: name, Value: conf.Show(strings.Join(n.args, " ")), Site: site, Place: placed(in, n), Num: num(n.arg(0), isTime)}
		written[n.name] = true
		if isTime {
			times = append(times, s)
		} else {
			others = append(others, s)
		}
	})
	return append(times, defaults(timeOptions, written, true)...), append(others, defaults(otherOptions, written, false)...)
}

func index(list []option) map[string]string {
	out := map[string]string{}
	for _, o := range list {
		out[strings.ToLower(o.name)] = o.name
	}
	return out
}

func num(s string, isTime bool) float64 {
	if isTime {
		v, _ := conf.Seconds(s, 1)
		return v
	}
	v, _ := strconv.ParseFloat(s, 64)
	if v != v || v > 1e15 || v < -1e15 {
		return 0
	}
	return v
}

func defaults(list []option, written map[string]bool, isTime bool) []fact.Setting {
	var out []fact.Setting
	for _, o := range list {
		if o.def != "" && !written[strings.ToLower(o.name)] {
			out = append(out, fact.Setting{Name: o.name, Value: o.def, Num: num(o.def, isTime), Default: true})
		}
	}
	return out
}

// logs are the log files with their formats.
func (r *reader) logs() []fact.LogPlace {
	formats := map[string]string{}
	r.each(func(_ []*node, n *node) {
		if n.name == "logformat" && len(n.args) == 2 && len(n.args[0]) <= 4096 {
			formats[n.args[1]] = n.args[0]
		}
	})
	var out []fact.LogPlace
	seen := map[string]bool{}
	add := func(l fact.LogPlace) {
		if !seen[l.Kind+l.File] && len(out) < maxSites {
			seen[l.Kind+l.File] = true
			out = append(out, l)
		}
	}
	errors := false
	r.each(func(in []*node, n *node) {
		file := n.arg(0)
		if file == "" || strings.HasPrefix(file, "|") {
			return
		}
		switch n.name {
		case "errorlog":
			errors = errors || len(in) == 1
			if !strings.HasPrefix(file, "syslog") {
				add(fact.LogPlace{Kind: "error", File: conf.Show(conf.Abs(file, r.root))})
			}
		case "customlog", "transferlog":
			format := "common"
			if n.name == "customlog" && len(n.args) > 1 {
				format = n.args[1]
				if f, ok := formats[format]; ok {
					format = f
				}
			}
			add(fact.LogPlace{Kind: "access", File: conf.Show(conf.Abs(file, r.root)), Format: format})
		}
	})
	for _, l := range r.src.Logs {
		if l.Kind == "error" && !errors {
			add(l)
		}
	}
	return out
}
