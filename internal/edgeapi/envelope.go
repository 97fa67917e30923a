package edgeapi

import (
	"encoding/json"
	"net/http"
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
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// resultInfo says which part of a list is given.
type resultInfo struct {
	Page       int `json:"page"`
	PerPage    int `json:"per_page"`
	Count      int `json:"count"`
	TotalCount int `json:"total_count"`
	TotalPages int `json:"total_pages"`
}

// failure is an answer that is no success.
type failure struct {
	status int
	code   int
	text   string
}

func (f *failure) Error() string { return f.text }

// Codes of errors; those that Cloudflare's API uses for the same have its numbers.
const (
	codeAuth       = 10000
	codeNoRoute    = 7000
	codeNoObject   = 7003
	codeBadRequest = 6003
	codeNotServed  = 7001
	codeNoRuleset  = 10003
	codeNoRay      = 7404
)

func send(w http.ResponseWriter, status int, e envelope) {
	if e.Errors == nil {
		e.Errors = []message{}
	}
	e.Messages = []message{}
	b, err := json.Marshal(e)
	if err != nil {
		status = http.StatusInternalServerError
		b = []byte(`{"success":false,"errors":[{"code":1,"message":"the answer could not be written"}],"messages":[],"result":null}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // the client went away: nobody to tell
}

func sendFailure(w http.ResponseWriter, f *failure) {
	send(w, f.status, envelope{Errors: []message{{f.code, f.text}}})
}
