// Package db is the database: GORM models and versioned migrations for
// PostgreSQL and an embedded SQLite, and [DB], which is the [mirror.Store] and
// what the daemon, the API and the command line need besides.
//
// # Who writes
//
// The entity tables belong to everybody: the admin application, a gateway, a
// person with psql. They write when and how they like, in transactions of any
// length, and know nothing of mirrors. The tables mirror_*, conflicts, sync_runs,
// rejected_files, kept_secrets and bitbucket_connections are ours alone.
//
// # Capture
//
// Row triggers note each write to an entity in mirror_changes, within the
// writer's own transaction: what commits is noted, what rolls back is not. A
// note says which row, never what it holds; the row itself is read later. A
// trigger must never hurt its writer: it runs with the owner's rights and a fixed
// search_path, has no foreign key to wait for, and turns every failure into a
// warning. PostgreSQL also notifies the channel "confmirror" with the
// organization's id, which is a nudge and carries no fact.
//
// # Consumption
//
// Notes are consumed by deleting them by id. There is no high-water mark:
// transactions commit in another order than they drew their ids, and a mark would
// pass over the late ones. A run deletes exactly the notes that it has seen in
// the snapshot that it decided on. A note that appears later stays.
//
// A person's [DB.TakeEntity] is such a note as well, one that names a side. Nothing but
// the run that decides on it consumes it.
//
// Our own imports are noted like anyone's. The importing transaction deletes such
// notes itself, in this order: write the row; read the ids of the row's notes;
// read the row's content; if it is what was written, delete those ids. Ids first,
// content second, each in a statement with a snapshot of its own (READ COMMITTED):
// an id that is seen is committed or ours, so its write is contained in the
// content read after it. A trigger of another program that changes the row within
// our transaction makes the content differ, and its note stays.
//
// # What a run costs
//
// A run asks about twenty statements of the database however many entities there are, and
// as many for five hundred changes as for one, but for what fits into a statement. None
// reads what it does not need. That is for the planner to see, of which PostgreSQL's goes
// by statistics and has none of a table that was just filled: conditions name what an
// index holds and no more, a list of one is compared as one value, and a bulk write
// refreshes the statistics. SQLite's planner, which takes an organization for a few rows,
// is kept from looking there. The tests count statements and read the plans.
//
// Bases are counted only where something vanished, for the brake. The toolkits that name
// a server, a command or a skill are found by an index over the JSON (PostgreSQL) or by
// mirror_references, which triggers keep (SQLite).
//
// # Compare-and-swap of a row
//
// [DB.Observe] gives every row a guard: a hash over its complete stored content,
// secrets, owner and a skill's files included. [DB.Import] locks the rows in the
// order of their ids, FOR UPDATE SKIP LOCKED, computes the guards anew and writes
// only where they are equal; whoever is locked, edited, gone, or finds its slug
// taken is told as raced, and everything else goes on. updated_at is never looked
// at. An uncommitted edit holds the row's lock, or that of one of the skill's
// files; an uncommitted new file holds a key-share lock on its skill: so no edit
// can hide behind a guard that still fits. Where a lock cannot be seen
// beforehand (a slug that somebody is inserting), lock_timeout is shorter than
// deadlock_timeout: it is we who give in.
//
// Partial unique indexes cannot be deferred, so rows that hand slugs on to each
// other go through temporary ones ("!" and the id) that no other transaction sees.
//
// # Compare-and-swap of a mirror
//
// [DB.Settle] begins with an update of the mirror's row that names the lease's
// epoch. It takes the row's lock until the end: settles of one mirror are serial,
// and a daemon that lost its lease writes nothing. Imports and intents hold a
// key-share lock on the row, which keeps the sweep of unused contents away and
// lets the lease be renewed meanwhile.
//
//	lock                        taken by                    waits for
//	connection, key share       Import, Intend              the sweep
//	connection, no key update   Settle, Identify, lease     each other, the sweep
//	connection, update          the sweep                   all of these
//	entity rows, update         Import, Settle (skills)     nobody: SKIP LOCKED
//
// SQLite has one writer at a time: writing transactions begin IMMEDIATE and queue
// up, in this process and in others; readers see a snapshot and wait for nobody.
package db
