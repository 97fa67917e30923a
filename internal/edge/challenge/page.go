package challenge

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"strconv"
	"sync"
)

//go:embed pow.js
var script string

//go:embed page.html
var pageSource string

//go:embed page.css
var pageStyle string

var pageTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("page").Parse(pageSource))
})

// Box is the part of a page that does the work, for a page of one's own. It needs
// [Policy] to allow its script.
func Box(token string) string {
	return `<div id="ow-challenge" data-token="` + template.HTMLEscapeString(token) + `" data-bits="` + strconv.Itoa(Bits) + `">` +
		`<p>Your browser is doing a short calculation before this site opens. This page goes on by itself.</p>` +
		`<noscript><p>This needs JavaScript, which is switched off here.</p></noscript></div>` +
		`<script>` + script + `</script>`
}

// Policy is the Content-Security-Policy under which [Page] runs.
var Policy = sync.OnceValue(func() string {
	sum := func(s string) string {
		x := sha256.Sum256([]byte(s))
		return "'sha256-" + base64.StdEncoding.EncodeToString(x[:]) + "'"
	}
	return "default-src 'none'; script-src " + sum(script) + "; style-src " + sum(pageStyle) + "; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
})

// Page is the whole interstitial page.
func Page(host, ray, token string) []byte {
	var b bytes.Buffer
	err := pageTemplate().Execute(&b, struct {
		Host, Ray string
		Style     template.CSS
		Box       template.HTML
	}{host, ray, template.CSS(pageStyle), template.HTML(Box(token))}) //nolint:gosec // ours, its parts escaped
	if err != nil {
		panic(err) // the template and its data are ours; a test renders it
	}
	return b.Bytes()
}
