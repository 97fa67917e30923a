// Package fact holds the typed answers to the questions that Originward asks
// of the world. A fact is plain data and never judges; every zero value means
// "not known". Tri says yes, no or "could not look".
//
// To add a question: one type with a Question method, and one line in the list
// below.
package fact

import (
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/originward/originward"
)

// Tri is a truth value that can be unknown. The zero Tri means "not known".
type Tri string

// The three values.
const (
	Unknown Tri = ""
	Yes     Tri = "yes"
	No      Tri = "no"
)

// TriOf is Yes for true and No for false.
func TriOf(b bool) Tri {
	if b {
		return Yes
	}
	return No
}

// decoders lists every question with how its answer is read back.
var decoders = map[originward.Question]func(json.RawMessage) (originward.Fact, error){
	QOwnNetwork:   decode[OwnNetwork],
	QDNS:          decode[DNS],
	QExchange:     decode[Exchange],
	QEdgeAnswer:   decode[EdgeAnswer],
	QEdgeRecord:   decode[EdgeRecord],
	QPath:         decode[Path],
	QRepeat:       decode[Repeat],
	QListeners:    decode[Listeners],
	QCounters:     decode[Counters],
	QAddresses:    decode[Addresses],
	QRoutes:       decode[Routes],
	QServices:     decode[Services],
	QContainers:   decode[Containers],
	QWebConfig:    decode[WebConfig],
	QCertificates: decode[Certificates],
	QFirewall:     decode[Firewall],
	QBans:         decode[Bans],
	QLogs:         decode[Logs],
	QDrops:        decode[Drops],
	QLoad:         decode[Load],
	QClock:        decode[Clock],
	QResolution:   decode[Resolution],
	QJobs:         decode[Jobs],
	QTunnel:       decode[Tunnel],
	QCDNZone:      decode[CDNZone],
	QCDNRecords:   decode[CDNRecords],
	QCDNSettings:  decode[CDNSettings],
	QCDNRules:     decode[CDNRules],
	QCDNEvents:    decode[CDNEvents],
	QCDNStats:     decode[CDNStats],
	QCDNBalancer:  decode[CDNBalancer],
}

func decode[T originward.Fact](raw json.RawMessage) (originward.Fact, error) {
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, err
	}
	return v, nil
}

// Questions lists every question that has a type, in no particular order.
func Questions() []originward.Question {
	qs := make([]originward.Question, 0, len(decoders))
	for q := range decoders {
		qs = append(qs, q)
	}
	return qs
}

// maxBundle bounds a bundle that is read: a whole host's evidence is well
// under 8 MiB, and a hostile file must not exhaust memory.
const maxBundle = 64 << 20

// ReadBundle reads a saved bundle and gives every fact its type. An item of an
// unknown question stays raw. An item whose fact does not fit its type is an
// error that names the item.
func ReadBundle(r io.Reader) (*originward.Bundle, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxBundle+1))
	if err != nil {
		return nil, fmt.Errorf("read bundle: %w", err)
	}
	if len(raw) > maxBundle {
		return nil, fmt.Errorf("read bundle: larger than %d MiB", maxBundle>>20)
	}
	var b originward.Bundle
	if err := json.Unmarshal(raw, &b); err != nil {
		return nil, fmt.Errorf("read bundle: not evidence as originward saves it: %w", err)
	}
	if b.Schema != originward.EvidenceSchema {
		return nil, fmt.Errorf("read bundle: schema %q, this version reads %q", b.Schema, originward.EvidenceSchema)
	}
	for i := range b.Evidence {
		if err := Type(&b.Evidence[i]); err != nil {
			return nil, err
		}
	}
	return &b, nil
}

// Type gives a raw fact its type.
func Type(e *originward.Evidence) error {
	raw, ok := e.Fact.(originward.RawFact)
	if !ok {
		return nil
	}
	dec, known := decoders[e.Question]
	if !known || len(raw.JSON) == 0 || string(raw.JSON) == "null" {
		return nil
	}
	f, err := dec(raw.JSON)
	if err != nil {
		return fmt.Errorf("read bundle: evidence %q, question %q: %w", e.ID, e.Question, err)
	}
	e.Fact = f
	return nil
}

// Item pairs a typed fact with the evidence that carries it.
type Item[T originward.Fact] struct {
	*originward.Evidence
	Fact T
}

// All gives every item of b whose fact has type T and, when vantages are
// given, one of these vantages, in the bundle's order.
func All[T originward.Fact](b *originward.Bundle, vantages ...originward.Vantage) []Item[T] {
	return slices.Collect(Each[T](b, vantages...))
}

// Each is All, one item at a time.
func Each[T originward.Fact](b *originward.Bundle, vantages ...originward.Vantage) iter.Seq[Item[T]] {
	return func(yield func(Item[T]) bool) {
		for i := range b.Evidence {
			e := &b.Evidence[i]
			f, ok := e.Fact.(T)
			if !ok || (len(vantages) > 0 && !has(vantages, e.Vantage)) {
				continue
			}
			if !yield(Item[T]{e, f}) {
				return
			}
		}
	}
}

func has(vs []originward.Vantage, v originward.Vantage) bool {
	for _, w := range vs {
		if v == w {
			return true
		}
	}
	return false
}
