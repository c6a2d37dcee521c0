// Package daemon is the running program: it brings nudges, workers, leases, the
// clock and the web together around mirror.Runner.
//
// # Nudges
//
// A webhook, a cron tick, a notification of the database, a request by API or CLI:
// each is a nudge, which says "look at mirror M" and nothing else. The [Queue]
// coalesces them: a mirror has at most one running and one pending run, and what a
// nudge asks for (look at the remote, compare everything) adds up in the pending
// one. Losing, repeating or forging a nudge changes nothing but latency.
//
// # Who owns what
//
// A mirror is run by the daemon that holds its lease; leases.go claims and renews
// them. Within the daemon a mirror is owned by the worker that runs it: the session
// (clone, token, host) is touched by that worker only. Workers are few and shared,
// so a slow mirror occupies one of them and a broken one backs off alone.
//
// # Beside the runs
//
// What a mirror can do without is done beside its runs, which never wait for it: a commit's
// status (verdicts.go), the repository's webhook (webhooks.go), the record of what was
// delivered (deliveries.go), and reviews of pull requests, in clones of their own (reviews.go). Pushes and deliveries are compared after each run (silence.go);
// the outcome decides how often a mirror is polled (polls.go).
//
// # Edits in working trees
//
// One watcher notices what is written in the clones (worktrees.go). It only tells when to
// look: the next run takes what people edited into the database first (mirror/local.go).
//
// # Configuration
//
// What a daemon runs with may be replaced while it runs (reload.go): the configuration is
// one value that is swapped, never changed. A run takes it once, when it begins; what depends
// on a part of it for longer follows that part.
//
// # Failure
//
// A run that fails transiently is tried again with growing pauses; one that fails
// for good waits for a person, a changed setting, or the next poll, which imports
// and leaves the refused push alone for a while.
package daemon
