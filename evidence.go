package originward

import (
	"encoding/json"
	"time"
)

// EvidenceSchema names the format of a saved bundle.
const EvidenceSchema = "originward.evidence/1"

// Question names what was asked of the world, for example "dns", "exchange",
// "listeners", "firewall". Package fact lists them with their answers' types.
type Question string

// Fact is the typed, plain-data answer to a question. It never judges.
type Fact interface {
	// Question is the question that the fact answers.
	Question() Question
}

// RawFact is an answer whose type this version does not know, kept as it is so
// that nothing is lost when a bundle is read and written again.
type RawFact struct {
	Q    Question
	JSON json.RawMessage
}

// Question is the question that the fact answers.
func (r RawFact) Question() Question { return r.Q }

// MarshalJSON gives the answer as it was read.
func (r RawFact) MarshalJSON() ([]byte, error) { return r.JSON, nil }

// Evidence is one observation: what was seen, from where, about what, when,
// and the command that would show it again. It stands on its own: it says
// nothing that another vantage saw.
type Evidence struct {
	ID        string    `json:"id"`
	Vantage   Vantage   `json:"vantage"`
	Question  Question  `json:"question"`
	At        time.Time `json:"at"` // UTC
	Subject   Subject   `json:"subject"`
	Fact      Fact      `json:"fact"`
	Text      string    `json:"text"`                // one line for a person, escaped already
	Reproduce string    `json:"reproduce,omitempty"` // shell command that shows it again
}

// UnmarshalJSON reads an item and leaves its fact raw; package fact gives it
// its type.
func (e *Evidence) UnmarshalJSON(b []byte) error {
	type plain Evidence
	aux := struct {
		*plain
		Fact json.RawMessage `json:"fact"`
	}{plain: (*plain)(e)}
	if err := json.Unmarshal(b, &aux); err != nil {
		return err
	}
	e.Fact = RawFact{Q: e.Question, JSON: aux.Fact}
	return nil
}

// NotObserved says that something was not looked at, or could not be seen, and
// what would make it visible. It is an observation too, never a "no".
type NotObserved struct {
	Vantage  Vantage  `json:"vantage"`
	Question Question `json:"question,omitempty"` // empty = the whole vantage
	Subject  Subject  `json:"subject,omitzero"`
	Why      string   `json:"why"`
	How      string   `json:"how,omitempty"` // what to run, or which permission to give
}

// Bundle is everything that was observed about one host name. Saved, it can be
// explained again offline, by a later version, on another machine.
type Bundle struct {
	Schema      string        `json:"schema"`
	Host        string        `json:"host"`
	AskedAt     time.Time     `json:"asked_at"` // UTC
	Evidence    []Evidence    `json:"evidence"`
	NotObserved []NotObserved `json:"not_observed"`
}
