package eval

import (
	"testing"

	"github.com/originward/originward/internal/firewall/ruleset"
	"github.com/originward/originward/internal/firewall/xt"
)

func TestFeeds(t *testing.T) {
	xtm := func(kind ruleset.Kind, name string, info any) *ruleset.Expr {
		return &ruleset.Expr{Kind: kind, X: &ruleset.Extra{Xt: &ruleset.Xt{Name: name, Info: info}}}
	}
	named := func(kind ruleset.Kind, name string) *ruleset.Expr {
		return &ruleset.Expr{Kind: kind, X: &ruleset.Extra{Name: name}}
	}
	for _, tt := range []struct {
		ex   *ruleset.Expr
		want string
	}{
		{named(ruleset.KindLog, ""), "log"},
		{named(ruleset.KindDynset, "seen"), "set seen"},
		{named(ruleset.KindQueue, "queue"), "expression queue"},
		{named(ruleset.KindUnknown, "newthing"), "expression newthing"},
		{xtm(ruleset.KindXtMatch, "recent", xt.Stateful{Name: "recent"}), "match recent"},
		{xtm(ruleset.KindXtMatch, "recent", xt.RecentSet{}), "match recent"},
		{xtm(ruleset.KindXtMatch, "hashlimit", xt.Stateful{Name: "hashlimit"}), "match hashlimit"},
		{xtm(ruleset.KindXtMatch, "limit", xt.Stateful{Name: "limit"}), ""},
		{xtm(ruleset.KindXtMatch, "strange", nil), "match strange"},
		{xtm(ruleset.KindXtMatch, "tcp", xt.TCP{}), ""},
		{xtm(ruleset.KindXtTarget, "NFLOG", xt.Continue{Name: "NFLOG"}), "target NFLOG"},
		{xtm(ruleset.KindXtTarget, "TCPMSS", xt.Continue{Name: "TCPMSS"}), ""},
		{xtm(ruleset.KindXtTarget, "SET", xt.SetTarget{}), "target SET"},
		{xtm(ruleset.KindXtTarget, "REJECT", xt.Reject{}), ""},
		{xtm(ruleset.KindXtTarget, "strange", nil), "target strange"},
	} {
		if got := feeds(tt.ex); got != tt.want {
			t.Errorf("%v %q: %q, want %q", tt.ex.Kind, name(tt.ex), got, tt.want)
		}
		if got := feeds(tt.ex); got != "" && !effects[tt.ex.Kind] {
			t.Errorf("kind %v is never looked at", tt.ex.Kind)
		}
	}
}
