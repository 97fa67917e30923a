package store

import (
	"encoding/json"
	"time"
)

// Token gives access to the API. The token itself is not kept, only its hash.
type Token struct {
	ID         string          `json:"id"`
	Name       string          `json:"name"`
	Hash       string          `json:"-"`      // SHA-256, hexadecimal
	Status     string          `json:"status"` // active, disabled
	Policies   json.RawMessage `json:"policies"`
	Conditions json.RawMessage `json:"condition,omitempty"` // nil = none
	NotBefore  time.Time       `json:"not_before,omitzero"`
	Expires    time.Time       `json:"expires_on,omitzero"` // zero = never
	LastUsed   time.Time       `json:"last_used_on,omitzero"`
	Version    int64           `json:"version"`
	Created    time.Time       `json:"issued_on"`
	Modified   time.Time       `json:"modified_on"`
}

const tokenColumns = `id, name, hash, status, policies, conditions, not_before, expires, last_used, version, created, modified`

func scanToken(r scanner) (Token, error) {
	var x Token
	var policies, conditions string
	var notBefore, expires, lastUsed, created, modified int64
	err := r.Scan(&x.ID, &x.Name, &x.Hash, &x.Status, &policies, &conditions, &notBefore, &expires, &lastUsed, &x.Version, &created, &modified)
	x.Policies = json.RawMessage(policies)
	if conditions != "" {
		x.Conditions = json.RawMessage(conditions)
	}
	x.NotBefore, x.Expires, x.LastUsed = fromMicro(notBefore), fromMicro(expires), fromMicro(lastUsed)
	x.Created, x.Modified = fromMicro(created), fromMicro(modified)
	return x, err
}

// Tokens are all tokens, oldest first.
func (t *Tx) Tokens() ([]Token, error) {
	return list(t, scanToken, `SELECT `+tokenColumns+` FROM tokens ORDER BY created, id`)
}

// Token is one token.
func (t *Tx) Token(id string) (Token, error) {
	return one(t, scanToken, `SELECT `+tokenColumns+` FROM tokens WHERE id = ?`, id)
}

// AddToken adds a token; id, version and times are filled in.
func (t *Tx) AddToken(x *Token) error {
	x.ID, x.Version, x.Created, x.Modified = NewID(t.at), 1, t.at, t.at
	if _, err := t.exec(`INSERT INTO tokens (`+tokenColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		x.ID, x.Name, x.Hash, x.Status, string(x.Policies), string(x.Conditions), micro(x.NotBefore), micro(x.Expires), micro(x.LastUsed),
		x.Version, micro(x.Created), micro(x.Modified)); err != nil {
		return err
	}
	return t.audit("", "add", "token", x.ID, nil, x)
}

// PutToken changes a token that was read at x.Version, its hash too.
func (t *Tx) PutToken(x *Token) error {
	old, err := t.Token(x.ID)
	if err != nil {
		return err
	}
	was := x.Version
	x.Version, x.Modified = was+1, t.at
	n, err := t.exec(`UPDATE tokens SET name = ?, hash = ?, status = ?, policies = ?, conditions = ?, not_before = ?, expires = ?, version = ?, modified = ? WHERE id = ? AND version = ?`,
		x.Name, x.Hash, x.Status, string(x.Policies), string(x.Conditions), micro(x.NotBefore), micro(x.Expires), x.Version, micro(x.Modified), x.ID, was)
	if err := t.updated(n, err, func() error { _, err := t.Token(x.ID); return err }); err != nil {
		return err
	}
	action := "change"
	if x.Hash != old.Hash {
		action = "roll"
	}
	return t.audit("", action, "token", x.ID, old, x)
}

// DeleteToken deletes a token.
func (t *Tx) DeleteToken(id string) error {
	old, err := t.Token(id)
	if err != nil {
		return err
	}
	if _, err := t.exec(`DELETE FROM tokens WHERE id = ?`, id); err != nil {
		return err
	}
	return t.audit("", "delete", "token", id, old, nil)
}
