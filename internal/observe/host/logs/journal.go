package logs

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os/exec"
	"strconv"
	"time"

	"github.com/originward/originward/fact"
)

// maxJournal bounds how many entries are asked for; the newest are given.
const maxJournal = 20000

// readJournal asks journalctl for the window's entries.
func readJournal(ctx context.Context, w Window, t *tally, ours func(netip.Addr) bool) fact.LogSource {
	s := fact.LogSource{Name: "journal", State: stateRead}
	path, err := exec.LookPath("journalctl")
	if err != nil {
		s.State, s.Why = stateMissing, "there is no journalctl"
		return s
	}
	cmd := exec.CommandContext(ctx, path, "--quiet", "--no-pager", "--output=json", "--lines="+strconv.Itoa(maxJournal),
		fmt.Sprintf("--since=@%d", w.From.Unix()), fmt.Sprintf("--until=@%d", w.To.Unix()+1))
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		s.State, s.Why = stateUnreadable, "journalctl: "+err.Error()
		return s
	}
	sc := bufio.NewScanner(bytes.NewReader(out))
	sc.Buffer(nil, 1<<20) // one entry; a longer one ends the reading
	for sc.Scan() {
		if journalEntry(sc.Bytes(), w, t, ours) {
			s.Lines++
		}
	}
	if s.Lines == 0 {
		s.State = stateEmpty
	}
	return s
}

// journalEntry counts one entry; false for one that is outside the window or
// not readable. journalctl writes texts that are not UTF-8 as lists of bytes.
func journalEntry(raw []byte, w Window, t *tally, ours func(netip.Addr) bool) bool {
	var e struct {
		Time      string          `json:"__REALTIME_TIMESTAMP"`
		Message   json.RawMessage `json:"MESSAGE"`
		Tag       string          `json:"SYSLOG_IDENTIFIER"`
		Comm      string          `json:"_COMM"`
		Transport string          `json:"_TRANSPORT"`
	}
	if json.Unmarshal(raw, &e) != nil {
		return false
	}
	usec, err := strconv.ParseInt(e.Time, 10, 64)
	at := time.UnixMicro(usec).UTC()
	if err != nil || !w.Has(at) {
		return false
	}
	text := messageText(e.Message)
	if e.Transport == "kernel" {
		kernelLine("journal", at, text, t, ours)
		return true
	}
	program := programOf(e.Tag)
	if program == "" {
		program = programOf(e.Comm)
	}
	if e.Transport == "audit" {
		program = "audit"
	}
	if program == "haproxy" {
		haproxyLine("journal", at, text, t)
	}
	if m, ok := classify(program, text); ok {
		t.add("journal", program, at, m, "", text)
	}
	return true
}

func messageText(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var codes []uint16
	if json.Unmarshal(raw, &codes) != nil {
		return ""
	}
	b := make([]byte, len(codes))
	for i, c := range codes {
		b[i] = byte(c)
	}
	return string(b)
}
