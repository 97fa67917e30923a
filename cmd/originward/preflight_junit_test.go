package main

import (
	"bytes"
	"encoding/xml"
	"net/netip"
	"testing"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/preflight"
)

func TestPreflightJUnit(t *testing.T) {
	addr := netip.MustParseAddr("203.0.113.10")
	m := preflight.Matrix{Host: "shop.example", Cells: []preflight.Cell{
		{Mode: originward.SSLStrict, Scheme: "https", Port: 443, Addr: addr, Outcome: preflight.Failed, Status: 526, Error: 526, Why: "expired <yesterday>"},
		{Mode: originward.SSLStrict, Scheme: "http", Port: 80, Addr: addr, Outcome: preflight.Served, Status: 200},
		{Mode: originward.SSLStrict, Scheme: "https", Port: 8443, Addr: addr, Outcome: preflight.Unknown, Why: "not measured"},
		{Mode: originward.SSLFull, Scheme: "https", Port: 443, Addr: addr, Outcome: preflight.Served, Status: 200},
	}}
	var out bytes.Buffer
	if err := preflightJUnit(&out, m, originward.SSLStrict); err != nil {
		t.Fatal(err)
	}
	var got junitGate
	if err := xml.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if got.Tests != 3 || got.Failures != 1 || got.Skipped != 1 || got.Cases[0].Failure == nil || got.Cases[0].Failure.Text != "expired <yesterday>" {
		t.Errorf("%s", out.String())
	}
}

// TestFixUsage: what cannot be asked for is a usage error, before anything is
// looked at.
func TestFixUsage(t *testing.T) {
	for _, args := range [][]string{
		{"fix"},
		{"fix", "--last", "x.json"},
		{"fix", "/nonexistent.json", "--yes"},
		{"fix", "x.json", "--format", "xml"},
		{"fix", "x.json", "--host-evidence", "y.json"},
		{"diagnose", "shop.example", "--fix", "--host-evidence", "y.json"},
		{"harden", "shop.example", "--port", "70000"},
		{"harden", "shop.example", "--keep", "everyone"},
		{"ranges", "sync"},
		{"undo", "--format", "xml"},
	} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), args, streams{in: &bytes.Buffer{}, out: &out, err: &errs}); code != originward.ExitUsage {
			t.Errorf("%v: exit status %d, %s", args, code, errs.String())
		}
	}
}
