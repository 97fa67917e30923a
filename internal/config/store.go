package config

import (
	"net/url"

	"go.yaml.in/yaml/v4"
)

// storeDSN reads where the store is when it is not in the data folder.
func (v value) storeDSN() string {
	s, ok := v.text()
	if !ok {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		v.n = &yaml.Node{Kind: yaml.MappingNode, Line: v.n.Line} // it may hold a password: not repeated
		v.fail("not a PostgreSQL DSN", "postgres://USER@HOST/DATABASE; without this key the store is SQLite in the folder of data")
	}
	return s
}
