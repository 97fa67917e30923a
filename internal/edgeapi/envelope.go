package edgeapi

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
)

// envelope is the form of every answer.
type envelope struct {
	Success  bool        `json:"success"`
	Errors   []message   `json:"errors"`
	Messages []message   `json:"messages"`
	Result   any         `json:"result"`
	Info     *resultInfo `json:"result_info,omitempty"`
}

// message is an error or a note.
type message struct {
	Code    int     `json:"code"`
	Message string  `json:"message"`
	Source  *source `json:"source,omitempty"`
}

// source points at the field that a message is about.
type source struct {
	Pointer string `json:"pointer"` // JSON pointer into the request's body
}

// resultInfo says which part of a list is given.
type resultInfo struct {
	Page       int `json:"page"`
	PerPage    int `json:"per_page"`
	Count      int `json:"count"`
	TotalCount int `json:"total_count"`
	TotalPages int `json:"total_pages"`
	// Cursors lead on in lists that are read by cursor; nil = by page.
	Cursors map[string]string `json:"cursors,omitempty"`
}

// failure is an answer that is no success.
type failure struct {
	status int
	code   int
	text   string
}

func (f *failure) Error() string { return f.text }

// failures is an answer with several errors, or with one that points at a field.
type failures struct {
	status int
	list   []message
}

func (f *failures) Error() string {
	var w []string
	for _, m := range f.list {
		w = append(w, m.Message)
	}
	return strings.Join(w, "; ")
}

// invalid is the answer to a field that is wrong.
func invalid(code int, pointer, text string) error {
	return &failures{http.StatusBadRequest, []message{{Code: code, Message: text, Source: &source{pointer}}}}
}

// Codes of errors; those that Cloudflare's API uses for the same have its numbers.
const (
	codeAuth       = 10000
	codeNoRoute    = 7000
	codeNoObject   = 7003
	codeBadRequest = 6003
	codeNotServed  = 7001
	codeNoRuleset  = 10003
	codeNoRay      = 7404
	codeForbidden  = 9109
	codeBody       = 6007  // malformed body
	codeLarge      = 6008  // body too large
	codeThrottled  = 971   // rate of requests
	codeConflict   = 10412 // changed since it was read
	codeReadOnly   = 10405 // the zone is the configuration file's
	codeNoStore    = 10503
	codeStore      = 10500
	codeZoneExists = 1061
	codeZoneName   = 1099
	codeSetting    = 1007
	codeField      = 1004 // a field is not valid
)

// write sends a whole answer.
func write(w http.ResponseWriter, status int, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client went away: nobody to tell
}

const jsonType = "application/json; charset=utf-8"

func send(w http.ResponseWriter, status int, e envelope) {
	b, err := e.encode()
	if err != nil {
		status = http.StatusInternalServerError
		b = []byte(`{"success":false,"errors":[{"code":1,"message":"the answer could not be written"}],"messages":[],"result":null}`)
	}
	write(w, status, jsonType, append(b, '\n'))
}

func (e envelope) encode() ([]byte, error) {
	if e.Errors == nil {
		e.Errors = []message{}
	}
	e.Messages = []message{}
	return json.Marshal(e)
}

// sendTagged sends a success with an ETag, or 304 when the client has it already.
func sendTagged(w http.ResponseWriter, r *http.Request, tag string, e envelope) {
	b, err := e.encode()
	if err != nil {
		send(w, http.StatusInternalServerError, e)
		return
	}
	if tag == "" {
		sum := sha256.Sum256(b)
		tag = hex.EncodeToString(sum[:8])
	}
	w.Header().Set("ETag", `"`+tag+`"`)
	if tagMatches(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	write(w, http.StatusOK, jsonType, append(b, '\n'))
}

// tagMatches reads If-Match and If-None-Match; "*" is any.
func tagMatches(header, tag string) bool {
	for _, t := range strings.Split(header, ",") {
		t = strings.TrimPrefix(strings.TrimSpace(t), "W/")
		if t == "*" || strings.Trim(t, `"`) == tag && t != "" {
			return true
		}
	}
	return false
}

func sendFailure(w http.ResponseWriter, f *failure) {
	send(w, f.status, envelope{Errors: []message{{Code: f.code, Message: f.text}}})
}

// sendError turns any error into an answer.
func sendError(w http.ResponseWriter, err error) {
	var one *failure
	var many *failures
	switch {
	case errors.As(err, &one):
		sendFailure(w, one)
	case errors.As(err, &many):
		send(w, many.status, envelope{Errors: many.list})
	default:
		sendFailure(w, storeFailure(err))
	}
}
