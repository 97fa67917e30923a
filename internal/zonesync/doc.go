// Package zonesync writes the zones of an edge into one document and brings an
// edge to what a document says, through the control API.
//
// Reading and writing are apart from comparing: [Compare] is pure and gives the
// steps, which are shown as they are or carried out. Private keys are never part
// of a document.
package zonesync
