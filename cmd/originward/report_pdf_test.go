package main

import (
	"bytes"
	"errors"
	"testing"

	"github.com/originward/originward/internal/report"
)

func TestPDF(t *testing.T) {
	var b bytes.Buffer
	err := writePDF(t.Context(), &b, report.Sheet{Title: "shop.example answers 521"})
	var u *statusError
	if errors.As(err, &u) {
		t.Skip(err) // no Chromium here, and it says so
	}
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(b.Bytes(), []byte("%PDF-")) || b.Len() < 1000 {
		t.Errorf("%d bytes that are no PDF", b.Len())
	}
}

func TestPDFWithoutABrowser(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	var b bytes.Buffer
	if err := writePDF(t.Context(), &b, report.Sheet{}); err == nil || b.Len() > 0 {
		t.Errorf("without Chromium: %v, %d bytes", err, b.Len())
	}
}
