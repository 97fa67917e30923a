// Package jobs finds scheduled jobs that keep something in step (dynamic DNS,
// allow lists of the CDN's ranges, certificate renewal) and how their last run
// went, from their own logs. It runs none of them.
package jobs
