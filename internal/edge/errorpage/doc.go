// Package errorpage is what a visitor gets when the edge answers itself: the
// error, which of the three hops (you, edge, host) is at fault, and what each
// side can do; as HTML, JSON (RFC 9457) or Markdown.
//
// The page needs no script and nothing from elsewhere: its style is inline under
// a Content-Security-Policy with the style's hash. What codes mean is data
// (codes.go); what they say is text (texts/en.json).
package errorpage
