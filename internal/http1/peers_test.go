package http1

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// peerTimeout is after how long the peers give up on a message that never ends; the
// tests wait for them to say so, with a much longer patience of their own.
const peerTimeout = time.Second

// echo answers with what a server understood of a request.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	target, host := r.RequestURI, r.Host
	if r.URL.IsAbs() {
		target = r.URL.RequestURI() // this codec rewrites the absolute form
	}
	if host == nginxHost {
		host = r.Header.Get(nginxSaw)
	}
	io.WriteString(w, echoText(r.Method, target, host, body))
}

// nginx writes nginxHost as Host to the server behind it, and in nginxSaw the one that it read.
const (
	nginxHost = "behind-nginx"
	nginxSaw  = "X-Nginx-Saw-Host"
)

func echoText(method, target, host string, body []byte) string {
	return fmt.Sprintf("%s %s %s %q", method, target, strings.ToLower(host), body)
}

// startGo starts net/http's server with the echo.
func startGo(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(echo), ReadTimeout: peerTimeout, ErrorLog: quiet}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l)
	}()
	t.Cleanup(func() { srv.Close(); <-done })
	return l.Addr().String()
}

// startNginx starts nginx as a proxy in front of the server at origin; addr is empty
// when nginx is not installed.
func startNginx(t *testing.T, origin string) (addr string) {
	t.Helper()
	bin, err := exec.LookPath("nginx")
	if err != nil {
		if bin = "/usr/sbin/nginx"; !exists(bin) {
			return ""
		}
	}
	dir, err := os.MkdirTemp("", "ow-http1-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	conf := fmt.Sprintf(`
daemon off; master_process off; worker_processes 1; error_log %[1]s/error.log info; pid %[1]s/pid;
events { worker_connections 512; }
http {
  access_log off; server_tokens off;
  client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/c;
  client_header_timeout %[2]ds; keepalive_timeout %[2]ds; client_body_timeout %[2]ds; proxy_read_timeout %[2]ds;
  upstream origin { server %[3]s max_fails=0; }
  server {
    listen unix:%[4]s;
    location / {
      proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Host %[6]s; proxy_set_header %[5]s $http_host; proxy_set_header Connection "";
      proxy_buffer_size 160k; proxy_buffers 4 160k; proxy_busy_buffers_size 320k; proxy_next_upstream off;
    }
  }
}`, dir, int(peerTimeout/time.Second), origin, socket, nginxSaw, nginxHost)
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "-p", dir, "-c", "nginx.conf", "-e", filepath.Join(dir, "error.log"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-exited
	})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if c, err := net.Dial("unix", socket); err == nil {
			c.Close()
			return socket
		}
		select {
		case err := <-exited:
			exited <- err
			t.Fatalf("nginx: %v\n%s", err, out.Bytes())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("nginx does not listen\n%s", out.Bytes())
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// exchange sends raw to a server and returns what its answers say, until it closes
// the connection: an echo, or "!" for anything but a 200.
func exchange(t *testing.T, addr string, raw []byte) []string {
	network := "tcp"
	if strings.HasPrefix(addr, "/") {
		network = "unix"
	}
	c, err := net.Dial(network, addr)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	_, _ = c.Write(raw) // a server that has seen enough may have closed
	var answers []string
	for in := bufio.NewReader(c); ; {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				t.Errorf("%s neither answers nor closes: %q", addr, raw)
			}
			return answers
		}
		if resp.StatusCode < 200 {
			continue
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 200 {
			body = []byte("!")
		}
		answers = append(answers, string(body))
	}
}
