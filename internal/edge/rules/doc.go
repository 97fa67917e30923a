// Package rules is the edge's rules language: parser, type check and compiled
// evaluator for expressions as Cloudflare's Rules language writes them, the
// custom rules made of them, and rate limits.
//
// An expression is parsed into typed nodes and compiled once into closures over
// a [Request]; evaluating allocates nothing. To add a field, a function or an
// operator is one line in the list of its kind (fields.go, functions.go,
// operators.go).
//
// Everything an expression gets wrong is a [*SyntaxError] with line, column and
// what was expected there.
package rules
