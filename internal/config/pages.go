package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// MaxErrorPage bounds the text of an error page, and of a custom error rule
// (custom-errors: about 1.5 MB).
const MaxErrorPage = 1500 << 10

// errorPage is a kind of page that can be replaced.
type errorPage struct {
	id, title string
	tokens    []string // the page must hold one of them (error-tokens)
}

// errorPages lists them (error-page-types).
var errorPages = []errorPage{
	{"500_errors", "500 class errors", []string{"::CLOUDFLARE_ERROR_500S_BOX::"}},
	{"1000_errors", "1000 class errors", []string{"::CLOUDFLARE_ERROR_1000S_BOX::"}},
	{"waf_block", "WAF block", []string{"::CLOUDFLARE_ERROR_1000S_BOX::"}},
	{"ip_block", "IP/country block", []string{"::CLOUDFLARE_ERROR_1000S_BOX::"}},
	{"country_challenge", "Country challenge", []string{"::CAPTCHA_BOX::", "::CF_WIDGET_BOX::"}},
	{"managed_challenge", "Managed challenge", []string{"::CAPTCHA_BOX::", "::CF_WIDGET_BOX::", "::IM_UNDER_ATTACK_BOX::"}},
	{"ratelimit_block", "Rate limiting block", []string{"::CLOUDFLARE_ERROR_1000S_BOX::"}},
}

// ErrorPages are the ids of the pages that can be replaced.
func ErrorPages() (ids []string) {
	for _, p := range errorPages {
		ids = append(ids, p.id)
	}
	return ids
}

func errorPageOf(id string) errorPage {
	if i := slices.IndexFunc(errorPages, func(p errorPage) bool { return p.id == id }); i >= 0 {
		return errorPages[i]
	}
	return errorPage{id: id}
}

// ErrorPageTitle is what a page is called.
func ErrorPageTitle(id string) string { return errorPageOf(id).title }

// ErrorPageTokens are the tokens of which a page must hold one.
func ErrorPageTokens(id string) []string { return slices.Clone(errorPageOf(id).tokens) }

// errNoToken says that a page would show nothing of what it is about.
var errNoToken = errors.New("the page lacks the token that it must hold")

// CheckErrorPage tells what is wrong with the text of a page.
func CheckErrorPage(id, text string) error {
	if len(text) > MaxErrorPage {
		return fmt.Errorf("the page is longer than %d bytes", MaxErrorPage)
	}
	tokens := errorPageOf(id).tokens
	if !slices.ContainsFunc(tokens, func(b string) bool { return strings.Contains(text, b) }) {
		return fmt.Errorf("%w: %s", errNoToken, strings.Join(tokens, " or "))
	}
	return nil
}

// errorPages reads files by the ids of the pages that they replace.
func (v value) errorPages() map[string]string {
	out := map[string]string{}
	keys := make([]key, len(errorPages))
	for i, p := range errorPages {
		keys[i] = key{p.id, func(v value) {
			text := v.textFile(MaxErrorPage)
			if text == "" {
				return
			}
			if CheckErrorPage(p.id, text) != nil {
				v.fail(errNoToken.Error(), p.tokens...)
				return
			}
			out[p.id] = text
		}}
	}
	v.object(keys...)
	return out
}
