//go:build unix

package store

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// server is one PostgreSQL of Debian's package for all tests.
var server struct {
	once sync.Once
	dir  string
	cmd  *exec.Cmd
	why  string // there is none
	n    int
}

func TestMain(m *testing.M) {
	code := m.Run()
	if server.cmd != nil && server.cmd.Process != nil {
		_ = server.cmd.Process.Signal(syscall.SIGINT) // fast shutdown
		_ = server.cmd.Wait()
	}
	if server.dir != "" {
		_ = os.RemoveAll(server.dir)
	}
	os.Exit(code)
}

// postgres gives the DSN of a new, empty database.
func postgres(t *testing.T) string {
	t.Helper()
	server.once.Do(func() { server.why = startPostgres() })
	if server.why != "" {
		t.Skip(server.why)
	}
	server.n++
	name := fmt.Sprintf("t%d", server.n)
	if out, err := psql("postgres", "CREATE DATABASE "+name); err != nil {
		t.Fatalf("create database: %v: %s", err, out)
	}
	return dsn(name)
}

func dsn(database string) string {
	return fmt.Sprintf("postgres://tester@/%s?host=%s", database, server.dir)
}

func psql(database, sql string) ([]byte, error) {
	return exec.Command(pgTool("psql"), "-h", server.dir, "-U", "tester", "-qAtc", sql, database).CombinedOutput()
}

// pgTool finds a program of PostgreSQL: Debian keeps servers beside the PATH.
func pgTool(name string) string {
	if p, err := exec.LookPath(name); err == nil {
		return p
	}
	all, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1]
}

// startPostgres runs a server that listens on a socket in a folder of its own; it
// says why when it cannot.
func startPostgres() string {
	initdb, postgres := pgTool("initdb"), pgTool("postgres")
	if initdb == "" || postgres == "" || pgTool("psql") == "" {
		return "PostgreSQL is not installed (package postgresql)"
	}
	dir, err := os.MkdirTemp("", "ow-pg-")
	if err != nil {
		return err.Error()
	}
	server.dir = dir
	as := &syscall.SysProcAttr{}
	if os.Getuid() == 0 { // the server refuses to run as root
		u, err := user.Lookup("nobody")
		if err != nil {
			return err.Error()
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(dir, uid, gid); err != nil {
			return err.Error()
		}
	}
	data := filepath.Join(dir, "data")
	cmd := exec.Command(initdb, "-D", data, "-U", "tester", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
	cmd.SysProcAttr, cmd.Dir = as, dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Sprintf("initdb: %v: %s", err, out)
	}
	server.cmd = exec.Command(postgres, "-D", data, "-k", dir, "-h", "", "-c", "fsync=off", "-c", "shared_buffers=16MB")
	server.cmd.SysProcAttr, server.cmd.Dir = as, dir
	if err := server.cmd.Start(); err != nil {
		return err.Error()
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		out, err := psql("postgres", "SELECT 1")
		if err == nil {
			return ""
		}
		if time.Now().After(end) {
			return fmt.Sprintf("PostgreSQL does not answer: %s", out)
		}
	}
}
