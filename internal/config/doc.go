// Package config reads the edge's configuration file (YAML, or JSON as the YAML
// it is) into typed values.
//
// Reading is strict and complete: every unknown key, bad value and clash is a
// [Problem] with file, line, value and what is allowed, and all of them are
// reported at once. Relative paths are resolved against the file's folder;
// certificates, trust stores and tokens are read here, so that a configuration
// that loads can be served.
//
// Rules stay text here: their language belongs to the edge, which hands in a
// check ([Loader.CheckExpression]).
package config
