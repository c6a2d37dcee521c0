// Package mirror is the domain: it keeps one organization's entities identical
// in a database and on one branch of a git repository.
//
// One function, [Runner.Run], does it all:
//
//	observe  ->  plan  ->  import  ->  intend  ->  push  ->  settle  ->  checkout
//	   |           |          |           |          |          |           |
//	 Clone,    pure: no     Store       Store      Clone      Store       Clone
//	 Store       I/O        (tx)        (tx)       (CAS)      (tx)
//
// # Three states
//
// Every decision is made from three states of an entity: the base (what both
// sides last agreed on, kept in the database with its contents), the database's
// row and the branch's file. Whether a side changed is judged by content only:
// the file by its git id, the row by its document's digest. Who wrote it, when,
// and with what message says nothing.
//
// # What may fail, and what then
//
//	crash before the import commits    nothing happened
//	crash after it                     the base moved with the rows; the run plans again
//	crash after the intent             the push did not happen: the intent matches nothing
//	                                   the push did happen: the intent is found to be the base
//	push answered "stale"              fetch, plan again
//	push's answer lost                 as a crash after the intent
//	crash before the settle            as a crash after the intent
//	crash before the checkout          the clone is a cache; the next checkout finishes it
//
// Both outward writes are compare-and-swap: a push names the head it builds on,
// an import compares the row's complete stored content under its lock. Two
// runners on one mirror waste effort and do no harm.
//
// # What stays open
//
// A run looks at what changed since the last settle, and at what earlier runs left
// open ([Unsettled]): a bad file until it or its row changes, a row that somebody held
// locked, an export that the remote refused, a deletion or a change of a server's
// target that waits for a person, a file at a renamed row's new place. Nothing is
// forgotten when the cursor moves.
//
// A complete comparison (a first connection, an audit, new rules) is a sieve: digests
// and git ids of everything, contents of a few rows at a time. What does not pass is
// planned like any other change.
//
// More changes than [Runner.Part], on either side, are planned in parts, each a round of
// its own with an import and a push of its own: memory does not grow with a burst, and
// what came first goes out first. A part is complete where changes must be judged
// together: deletions, and what may have been moved. The cursor waits for the last part of
// git's changes; until then [Mirror.ImportedFrom] says which commits bases are ahead at.
//
// A person's word on one entity ([Change.Take]) travels like any other change of the
// database, and is spent by the run that carries it out.
//
// The package imports neither a database, nor git, nor HTTP; [Store], [Clone] and
// [Host] are what it needs of them.
package mirror
