// Package store keeps what the control API changes: zones, their DNS records
// and settings, other objects of the API, tokens, security events, and an audit
// log of every change with what was there before and after.
//
// It is SQLite in a file of the edge's data folder, or PostgreSQL by its DSN;
// both run the same statements and pass the same suite. A change is a
// transaction ([Store.Change]); whoever serves from the store is told after the
// commit, before the caller goes on ([Store.OnCommit]), so that an answered
// change is in force.
//
// Every row has a version. A change that names a version other than the row's
// fails with [ErrConflict]: two writers never overwrite each other unseen.
package store
