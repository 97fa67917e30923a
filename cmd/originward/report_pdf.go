package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/report"
)

// browsers are the names Chromium goes by.
var browsers = []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"}

// printWithin bounds the printing of one page: a browser that starts for the
// first time on a loaded machine needs some ten seconds.
const printWithin = 60 * time.Second

// writePDF prints the sheet's page through Chromium, which reads nothing but
// that page and reaches no network.
func writePDF(ctx context.Context, w io.Writer, s report.Sheet) error {
	browser := ""
	for _, name := range browsers {
		if p, err := exec.LookPath(name); err == nil {
			browser = p
			break
		}
	}
	if browser == "" {
		return usageError(errors.New("--format pdf needs Chromium (chromium or google-chrome in PATH); --format html prints to PDF from any browser"))
	}
	dir, err := os.MkdirTemp("", "originward-pdf-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	page, out := filepath.Join(dir, "report.html"), filepath.Join(dir, "report.pdf")
	var html bytes.Buffer
	if err := s.HTML(&html); err != nil {
		return err
	}
	if err := os.WriteFile(page, html.Bytes(), 0o600); err != nil {
		return err
	}
	args := []string{
		"--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
		"--disable-sync", "--disable-extensions", "--proxy-server=127.0.0.1:9", "--user-data-dir=" + filepath.Join(dir, "profile"),
		"--no-pdf-header-footer", "--print-to-pdf=" + out, "file://" + page,
	}
	if os.Geteuid() == 0 {
		args = append([]string{"--no-sandbox"}, args...) // Chromium refuses root with its sandbox; the page has no script
	}
	ctx, cancel := context.WithTimeout(ctx, printWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, browser, args...)
	said, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s could not print: %w: %s", browser, err, escape.Bytes(said, 400))
	}
	pdf, err := os.ReadFile(out)
	if err != nil {
		return fmt.Errorf("%s printed nothing: %w: %s", browser, err, escape.Bytes(said, 400))
	}
	_, err = w.Write(pdf)
	return err
}
