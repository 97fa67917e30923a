package nginx

import (
	"strconv"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/webconfig/conf"
)

// The directives that bear on the hop from the edge, with nginx's own defaults
// (nginx documentation, ngx_http_core_module, _proxy_, _fastcgi_, _v2_, _core_,
// read 2026-11); an empty default is not stated where nothing is written.
var timeDirectives = map[string]string{
	"keepalive_timeout": "75s", "keepalive_time": "1h", "client_header_timeout": "60s", "client_body_timeout": "60s", "send_timeout": "60s",
	"proxy_connect_timeout": "60s", "proxy_read_timeout": "60s", "proxy_send_timeout": "60s", "proxy_timeout": "",
	"fastcgi_connect_timeout": "60s", "fastcgi_read_timeout": "60s", "fastcgi_send_timeout": "60s",
	"uwsgi_read_timeout": "60s", "scgi_read_timeout": "", "grpc_read_timeout": "", "resolver_timeout": "30s",
	"proxy_next_upstream_timeout": "", "lingering_timeout": "", "ssl_session_timeout": "", "worker_shutdown_timeout": "",
	"http2_idle_timeout": "", "http2_recv_timeout": "",
}

var settingDirectives = map[string]string{
	"worker_processes": "1", "worker_connections": "512", "worker_rlimit_nofile": "", "multi_accept": "", "accept_mutex": "",
	"keepalive_requests": "1000", "large_client_header_buffers": "4 8k", "client_header_buffer_size": "1k", "client_max_body_size": "1m",
	"proxy_buffer_size": "", "proxy_buffers": "", "proxy_busy_buffers_size": "", "fastcgi_buffer_size": "", "fastcgi_buffers": "",
	"http2": "", "http2_max_concurrent_streams": "128", "http2_max_requests": "", "http2_max_field_size": "", "http2_max_header_size": "",
	"proxy_http_version": "", "proxy_ssl_server_name": "off", "proxy_ssl_verify": "", "proxy_ssl_name": "", "proxy_set_header": "",
	"proxy_next_upstream": "", "resolver": "", "reset_timedout_connection": "", "ignore_invalid_headers": "", "underscores_in_headers": "",
	"satisfy": "", "real_ip_recursive": "", "ssl_session_tickets": "", "ssl_ecdh_curve": "", "ssl_conf_command": "", "server_tokens": "",
	"keepalive_disable": "", "limit_req_dry_run": "", "limit_conn_dry_run": "", "user": "", "pid": "", "modsecurity": "", "modsecurity_rules_file": "",
	"ssl_preread": "", "daemon": "", "master_process": "", "limit_rate": "", "postpone_output": "", "proxy_buffering": "", "proxy_request_buffering": "",
	"proxy_max_temp_file_size": "", "stub_status": "", "backlog": "",
}

// headersSet are the request headers whose forwarding matters.
var headersSet = map[string]bool{"host": true, "connection": true, "x-forwarded-proto": true, "x-forwarded-for": true, "x-real-ip": true}

const maxSettings = 1500

// settings lists the directives of interest as written, and defaults of those
// that are written nowhere.
func (r *reader) settings() (times, others []fact.Setting) {
	written := map[string]bool{}
	r.root.walk(func(s *scope, n *node) {
		if len(times)+len(others) >= maxSettings {
			return
		}
		if _, ok := timeDirectives[n.name]; ok {
			written[n.name] = true
			times = append(times, setting(s, n))
		}
		if _, ok := settingDirectives[n.name]; ok && !n.block && wanted(n) {
			written[n.name] = true
			others = append(others, setting(s, n))
		}
	})
	times = append(times, defaults(timeDirectives, written)...)
	others = append(others, defaults(settingDirectives, written)...)
	return times, others
}

func wanted(n *node) bool {
	return n.name != "proxy_set_header" || headersSet[strings.ToLower(n.arg(0))]
}

func setting(s *scope, n *node) fact.Setting {
	out := fact.Setting{Name: n.name, Value: conf.Show(strings.Join(n.args, " ")), Site: s.site, Place: placed(s, n)}
	out.Num = num(n.name, n.args)
	return out
}

// num is a setting as seconds, bytes or a count.
func num(name string, args []string) float64 {
	if len(args) == 0 {
		return 0
	}
	if _, ok := timeDirectives[name]; ok {
		v, _ := conf.Seconds(args[0], 1)
		return v
	}
	switch name {
	case "large_client_header_buffers", "proxy_buffers", "fastcgi_buffers":
		count, _ := strconv.ParseFloat(args[0], 64)
		if len(args) > 1 {
			size, _ := conf.Bytes(args[1])
			return count * size
		}
		return count
	case "worker_processes":
		if args[0] == "auto" {
			return 0
		}
	}
	v, _ := conf.Bytes(args[0])
	return v
}

func defaults(table map[string]string, written map[string]bool) []fact.Setting {
	var out []fact.Setting
	for _, name := range sorted(table) {
		if def := table[name]; def != "" && !written[name] {
			out = append(out, fact.Setting{Name: name, Value: def, Num: num(name, strings.Fields(def)), Default: true})
		}
	}
	return out
}
