// Package logs reads what the host's logs say about the failure window: the
// kernel, web servers, application servers, ban tools and connectors. A file of
// any size is entered by binary search on time; lines outside the window are
// never looked at. Each line that bears on the hop is given one of a closed
// list of kinds; equal ones are counted together.
//
// To recognise one more line: one row in kinds.go.
package logs
