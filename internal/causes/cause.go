package causes

import (
	"github.com/originward/originward"
)

// Cause is one entry of the catalogue.
type Cause struct {
	ID     originward.CauseID
	Family string // letter of the family
	Title  string // a few words, as a heading
	Codes  []int  // codes that a visitor may see
	Where  originward.Where
	// Needs are the looks without which the cause is never proved: each is a
	// list of vantages of which one has to have contributed evidence.
	Needs []Need
	// After lists causes of which this one can be the consequence: named
	// beside one of them for the same failure, it is folded under it.
	After []originward.CauseID
	Judge func(*View) []Verdict
	Doc   Doc
}

// Need is evidence without which a cause cannot be proved. Any of the vantages
// answers it.
type Need struct {
	Any      []originward.Vantage
	Question originward.Question
	How      string
}

// Doc is what a person reads about a cause.
type Doc struct {
	What    string  // what it is
	Looks   string  // how it looks
	Proof   string  // how it is proved
	Alike   []Alike // its look-alikes and what parts them
	Fix     string  // the fix in general, per platform where they differ
	Prevent string  // how it is kept from coming back
	World   string  // why no world can exist on one machine; empty = worlds exist
}

// Alike is a look-alike and the observation that parts it.
type Alike struct {
	ID    originward.CauseID
	Parts string
}

// needHost and its siblings are needs of a single vantage.
func needHost(q originward.Question, how string) Need {
	return Need{[]originward.Vantage{originward.Host}, q, how}
}

func needCDN(q originward.Question, how string) Need {
	return Need{[]originward.Vantage{originward.CDN}, q, how}
}

func needOutside(q originward.Question, how string) Need {
	return Need{[]originward.Vantage{originward.Outside}, q, how}
}

func needEdge(q originward.Question, how string) Need {
	return Need{[]originward.Vantage{originward.Edge}, q, how}
}
