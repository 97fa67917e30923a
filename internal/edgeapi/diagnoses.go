package edgeapi

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/originward/originward/internal/edge"
)

// Diagnoses are those that bursts of failures began.
type Diagnoses interface {
	// List gives them, newest first.
	List() []edge.Diagnosed
	// Read gives one as JSON, or the evidence that it was made of; nil = there is none.
	Read(id string, evidence bool) ([]byte, error)
}

// listDiagnoses lists the diagnoses that are kept, newest first: ?zone=NAME.
func (a *API) listDiagnoses(r *http.Request) (*reply, error) {
	out := []edge.Diagnosed{}
	if a.looks == nil {
		return &reply{result: out}, nil
	}
	zone := r.URL.Query().Get("zone")
	for _, d := range a.looks.List() {
		if zone == "" || d.Zone == zone {
			out = append(out, d)
		}
	}
	return &reply{result: out}, nil
}

// diagnosis gives one diagnosis whole.
func (a *API) diagnosis(r *http.Request) (*reply, error) {
	raw, err := a.readDiagnosis(r, false)
	return &reply{result: json.RawMessage(raw)}, err
}

// evidence gives the evidence of one diagnosis as `originward explain` reads it.
func (a *API) evidence(r *http.Request) (*reply, error) {
	raw, err := a.readDiagnosis(r, true)
	return &reply{raw: raw, kind: jsonType}, err
}

func (a *API) readDiagnosis(r *http.Request, evidence bool) ([]byte, error) {
	id := r.PathValue("diagnosis")
	if a.looks != nil {
		raw, err := a.looks.Read(id, evidence)
		if err != nil {
			return nil, fmt.Errorf("diagnosis %s: %w", id, err)
		}
		if raw != nil {
			return raw, nil
		}
	}
	return nil, &failure{http.StatusNotFound, codeNoObject, "no diagnosis of this id is kept"}
}
