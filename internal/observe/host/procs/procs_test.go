package procs

import (
	"strings"
	"testing"
)

func TestWords(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"nginx: master process /usr/sbin/nginx -g daemon on; master_process on;"}, "/usr/sbin/nginx|-g|daemon on; master_process on;"},
		{[]string{"nginx: master process nginx -c /x/n.conf -g daemon off; -p /x"}, "nginx|-c|/x/n.conf|-g|daemon off;|-p|/x"},
		{[]string{"nginx: master process nginx -g"}, "nginx|-g"},
		{[]string{"nginx: worker process"}, "nginx: worker process"},
		{[]string{"php-fpm: master process (/etc/php/8.2/fpm/php-fpm.conf)"}, "php-fpm|-y|/etc/php/8.2/fpm/php-fpm.conf"},
		{[]string{"php-fpm: pool www"}, "php-fpm: pool www"},
		{[]string{"haproxy", "-f", "/a b.cfg"}, "haproxy|-f|/a b.cfg"},
		{nil, ""},
	} {
		if got := strings.Join(Process{Args: tt.args}.Words(), "|"); got != tt.want {
			t.Errorf("%q: %s, want %s", tt.args, got, tt.want)
		}
	}
}

func TestFlag(t *testing.T) {
	words := []string{"prog", "-c/a", "--config=/b", "-f", "/c", "-x"}
	for _, tt := range []struct {
		flags []string
		want  string
		ok    bool
	}{
		{[]string{"-c"}, "/a", true}, {[]string{"--config"}, "/b", true}, {[]string{"-f"}, "/c", true},
		{[]string{"-x"}, "", false}, {[]string{"-z"}, "", false}, {[]string{"--conf"}, "", false},
	} {
		if got, ok := Flag(words, tt.flags...); got != tt.want || ok != tt.ok {
			t.Errorf("%q: %q %v, want %q %v", tt.flags, got, ok, tt.want, tt.ok)
		}
	}
}

func TestCgroup(t *testing.T) {
	id := strings.Repeat("0123456789abcdef", 4)
	for _, tt := range []struct{ file, path, unit, container string }{
		{"0::/system.slice/nginx.service\n", "/system.slice/nginx.service", "nginx.service", ""},
		{"12:cpu:/\n1:name=systemd:/system.slice/apache2.service\n0::/\n", "/system.slice/apache2.service", "apache2.service", ""},
		{"0::/system.slice/docker-" + id + ".scope\n", "/system.slice/docker-" + id + ".scope", "docker-" + id + ".scope", id[:12]},
		{"4:memory:/docker/" + id + "\n", "", "", id[:12]},
		{"0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-" + id + ".scope\n", "/kubepods.slice/kubepods-pod1.slice/cri-containerd-" + id + ".scope", "cri-containerd-" + id + ".scope", id[:12]},
		{"0::/lxc.payload.web/init.scope\n", "/lxc.payload.web/init.scope", "init.scope", "web"},
		{"0::/user.slice/user-1000.slice/session-3.scope\n", "/user.slice/user-1000.slice/session-3.scope", "session-3.scope", ""},
		{"garbage\n\n::\n", "", "", ""},
	} {
		path, unit, container := parseCgroup(tt.file)
		if path != tt.path || unit != tt.unit || container != tt.container {
			t.Errorf("%q: %q %q %q, want %q %q %q", tt.file, path, unit, container, tt.path, tt.unit, tt.container)
		}
	}
}
