// Package jobs reads scheduled jobs that keep something in step: dynamic DNS,
// allow lists, certificate renewal.
package jobs
