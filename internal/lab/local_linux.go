package lab

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/originward/originward"
)

// localPort is the port of edge and origin in local worlds: one that CDNs
// carry, and that needs no root.
const localPort = 8443

// LocalStage is a world on loopback addresses, for whoever is not root: the
// real edge and the real commands, and an origin of this program's own.
type LocalStage struct {
	World *World
	Dir   string
	Exe   string
	Edge  netip.Addr
	Addr  netip.Addr // of the origin
	DNS   netip.Addr
	CA    *Authority
	Sub   *Authority

	dns     *dnsServer
	edge    *exec.Cmd
	closers []io.Closer
}

// localUp builds the world. Its addresses are picked at random from 127/8, all
// of which is the machine's own on Linux, so that worlds stand side by side.
func localUp(ctx context.Context, w *World, o Options) (s *LocalStage, err error) {
	s = &LocalStage{World: w, Exe: o.Exe}
	if s.Exe == "" {
		if s.Exe, err = os.Executable(); err != nil {
			return s, err
		}
	}
	if s.Dir, err = os.MkdirTemp("", "originward-lab-"); err != nil {
		return s, err
	}
	var b [2]byte
	_, _ = rand.Read(b[:]) // never fails
	at := func(last byte) netip.Addr { return netip.AddrFrom4([4]byte{127, 100 + b[0]%100, b[1], last}) }
	s.Edge, s.Addr, s.DNS = at(1), at(2), at(3)
	for _, step := range []func(context.Context) error{s.trust, s.startDNS, s.origin, s.startEdge} {
		if err := step(ctx); err != nil {
			return s, fmt.Errorf("world %s: %w", w.Name, err)
		}
	}
	return s, nil
}

func (s *LocalStage) down() error {
	var errs []error
	if s.edge != nil {
		_ = s.edge.Process.Kill()
		_ = s.edge.Wait()
	}
	for _, c := range s.closers {
		errs = append(errs, c.Close())
	}
	if s.dns != nil {
		errs = append(errs, s.dns.close())
	}
	if s.Dir != "" {
		errs = append(errs, os.RemoveAll(s.Dir))
	}
	return errors.Join(errs...)
}

func (s *LocalStage) trust(context.Context) (err error) {
	if s.CA, err = NewAuthority("Lab public root", nil); err != nil {
		return err
	}
	if s.Sub, err = NewAuthority("Lab public issuer", s.CA); err != nil {
		return err
	}
	if err := os.WriteFile(s.file("token"), []byte(apiToken), 0o600); err != nil {
		return err
	}
	return os.WriteFile(s.file("roots.pem"), s.CA.PEM, 0o644)
}

func (s *LocalStage) file(name string) string { return filepath.Join(s.Dir, name) }

func (s *LocalStage) records() []originward.Record {
	if s.World.Records != nil {
		return s.World.Records
	}
	return record(s.Addr.String())
}

func (s *LocalStage) startDNS(context.Context) error {
	d := &dnsServer{records: s.records(), names: s.World.Names, front: s.Edge}
	if err := d.start(netip.AddrPortFrom(s.DNS, 5353)); err != nil {
		return err
	}
	s.dns = d
	return nil
}

func (s *LocalStage) origin(context.Context) error { return s.World.Local(s) }

func (s *LocalStage) startEdge(ctx context.Context) error {
	var records []map[string]any
	for _, r := range s.records() {
		records = append(records, map[string]any{"type": string(r.Type), "name": r.Name, "content": r.Content, "proxied": r.Proxied})
	}
	mode := s.World.SSL
	if mode == "" {
		mode = originward.SSLFull
	}
	zone := map[string]any{"name": Site, "ssl": string(mode), "records": records}
	for k, v := range s.World.Zone {
		zone[k] = v
	}
	api := netip.AddrPortFrom(s.Edge, 8520).String()
	cfg, err := json.MarshalIndent(map[string]any{
		"listen": map[string]any{"https": []string{netip.AddrPortFrom(s.Edge, localPort).String()}, "api": api},
		"colo":   "LAB", "data": s.file("edge"), "trust": map[string]any{"roots": []string{s.file("roots.pem")}},
		"timers":     map[string]any{"connect": "2s", "tls": "3s", "resolve": "2s", "ack": "2s", "read": "2500ms", "write": "3s"},
		"resolver":   netip.AddrPortFrom(s.DNS, 5353).String(),
		"api_tokens": []map[string]any{{"name": "lab", "file": s.file("token")}},
		"zones":      []any{zone},
	}, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.file("edge.yaml"), cfg, 0o600); err != nil {
		return err
	}
	var said bytes.Buffer
	s.edge = exec.Command(s.Exe, "serve", "--config", s.file("edge.yaml"))
	s.edge.Stdout, s.edge.Stderr = &said, &said
	if err := s.edge.Start(); err != nil {
		s.edge = nil
		return err
	}
	err = poll(ctx, "the edge's listeners", func() bool {
		c, err := net.DialTimeout("tcp", api, time.Second)
		if err != nil {
			return false
		}
		return c.Close() == nil
	})
	if err != nil {
		return fmt.Errorf("%w: %s", err, said.String())
	}
	return nil
}

// at is where the origin takes connections.
func (s *LocalStage) at() string { return netip.AddrPortFrom(s.Addr, localPort).String() }

// raw serves every connection to the origin by hand.
func (s *LocalStage) raw(serve func(net.Conn)) error {
	l, err := net.Listen("tcp", s.at())
	if err != nil {
		return err
	}
	s.closers = append(s.closers, l)
	go func() { // ends with the listener
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return nil
}

// https serves a site with a certificate.
func (s *LocalStage) https(spec CertSpec, chain bool, h http.HandlerFunc) error {
	if len(spec.Names) == 0 {
		spec.Names = []string{Site}
	}
	cert, key, err := s.Sub.Issue(spec)
	if err != nil {
		return err
	}
	if chain && !spec.SelfSigned {
		cert = append(cert, s.Sub.PEM...)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", s.at())
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: h, TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}}, ErrorLog: log.New(io.Discard, "", 0), TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}}
	s.closers = append(s.closers, srv)
	go srv.ServeTLS(l, "", "") //nolint:errcheck // ends with Close
	return nil
}

// diagnose asks why, from outside, through the edge and the edge's API.
func (s *LocalStage) diagnose(ctx context.Context) (*originward.Diagnosis, error) {
	target := netip.AddrPortFrom(s.Edge, localPort).String()
	args := []string{"diagnose", fmt.Sprintf("https://%s:%d/", Site, localPort), "--format", "json", "--ca-file", s.file("roots.pem"),
		"--save", s.file("bundle.json"), "--resolver", netip.AddrPortFrom(s.DNS, 5353).String(), "--edge", target,
		"--cdn-api", "http://" + netip.AddrPortFrom(s.Edge, 8520).String() + "/client/v4", "--cdn-token-file", s.file("token")}
	for _, r := range s.records() {
		args = append(args, "--origin", r.Content)
	}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, s.Exe, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	return readDiagnosis(cmd.Run(), out.Bytes(), errs.String())
}

// runLocal builds a local world, diagnoses it, and compares.
func runLocal(ctx context.Context, w *World, o Options, r *Result, wrong func(string, ...any)) {
	s, err := localUp(ctx, w, o)
	defer func() {
		if err := s.down(); err != nil {
			wrong("remove the world: %v", err)
		}
	}()
	if err != nil {
		wrong("%v", err)
		return
	}
	d, err := s.diagnose(ctx)
	if err != nil {
		wrong("%v", err)
		return
	}
	r.Broken, r.Found = d, d.RootCauses
	if r.Bundle, err = os.ReadFile(s.file("bundle.json")); err != nil {
		wrong("%v", err)
		return
	}
	if d.Edge != nil {
		r.Code = d.Edge.Code
	}
	checkAnswer(w, r, wrong)
	without := func(ctx context.Context, vs ...originward.Vantage) (*originward.Diagnosis, error) {
		return explainWithout(ctx, s.Exe, s.file("bundle.json"), vs)
	}
	if err := checkCut(ctx, w, without, wrong); err != nil {
		wrong("%v", err)
	}
}
