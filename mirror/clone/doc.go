// Package clone keeps the working-tree clone of one mirror: it implements
// mirror.Clone over git's own formats and protocols, without a git program.
// People find an ordinary clone in it: they can cd into it and use their git.
//
//	Remote    one POST: ls-refs of protocol v2 for the one branch, and others by name
//	Fetch     one POST with our tips as haves -> pack, checked and named by us
//	Diff      merge walk of two commits' trees that skips what is equal
//	Read      by git id, sizes checked before anything is inflated
//	Build     only the directories that change are encoded anew
//	Push      one POST: the old id, the objects known to be new, trees as deltas
//	Checkout  journal, files, index, one flush, refs
//
// Work is proportional to what changed, never to what exists, but for three
// things: opening looks at every tracked file once, a checkout that changes
// anything writes the index whole (patched where it is encoded), and a tree is
// encoded whole when a file in it changes.
//
// Of go-git, the types, the patching of deltas and the hash with collision detection
// are used. Its worktree, its push and its store of objects take time by the size of
// the repository or of its history; they move HEAD before they look at the files,
// delete what people left lying about, ignore locks, leak a connection for each push,
// take an empty answer for success, and cache half-read objects.
//
// Other branches of the remote (proposals, what is proposed by others) are fetched, built
// on, merged file by file, pushed and deleted the same way, each move a compare-and-swap.
// Nothing of them is ever checked out.
//
// # Upkeep
//
// A push leaves a few loose objects, a fetch a pack. A checkout that finds many of
// them has them made one pack, in steps of bounded size and in the background: the pack
// gets its name, and what it replaces goes, with the next checkout or Close. Trees are kept as deltas of the
// trees that replaced them, so that a change leaves a copy of its file, not of its
// directory. Packs above 64 MB stay as they are. Decoded trees and the bases of deltas
// are cached within 48 MB; contents are not, and large ones are streamed.
//
// # Memory
//
// A Clone holds the index as its file has it and the decoded trees of the commit that is
// checked out, about 100 bytes a file each, and 28 bytes an object of packs' indexes; trees
// that were replaced are forgotten. What a checkout changes is a walk through the trees, in
// the order of the index, and no list; what it wrote goes into blocks of the next index. A
// pack on its way in takes 60 bytes an object, and the longest chain of deltas. No more
// contents are in memory than a few for each goroutine that writes.
//
// # Concurrency
//
// One goroutine uses a Clone at a time; a mutex makes a second one wait. Inside,
// a Build deflates and a Checkout writes files with several goroutines, which
// all end before the call does. Only a merge of packs goes on beside all of it: it reads
// with a store of its own and writes files without a name. Between
// processes .git/confmirror/lock is locked as long as the clone is open; the
// kernel gives it back when the holder dies. Other git programs are heeded by
// their lock files, and heed ours (locks.go): while a person's git has the index,
// no working file changes. Nothing else waits for it, and a lock that a killed git
// left holds up nothing.
//
// # Durability
//
// The clone is a cache: losing it loses nothing but time, so nothing is flushed
// before a push. A checkout flushes once, after its files and index are written
// and before the refs move (syncfs: a flush for each file would cost more than
// everything else). That is not for the objects, which a remote has: without it a power
// cut could leave a working file of the right size and time without its content, which
// neither people's git nor we would look at again. Merging packs flushes once before
// the old ones go. What a power cut or a person can do to it is healed: refs,
// index, configuration and working files with the next checkout, at the next Open
// or by Restore, which reads all there is.
//
//	killed while              and then
//	receiving a pack          what there is of it is swept at the next Open
//	writing objects           nothing names them; whole ones are used again
//	pushing                   Push never happened, or the next Remote shows that it did
//	checking out              the journal names both commits; the next Checkout or
//	                          Open finishes, and takes neither's content for an edit
//	holding a lock            the next Open knows it for ours and removes it
//	merging packs             what there is of the new one is swept at the next Open, or
//	                          old and new packs stand side by side until the next merge
//
// What cannot be healed is mirror.ErrDamaged, or at Open a fresh start:
// [Clone.Rebuild] takes our files out of the working tree, so that none of them
// is mistaken for somebody's new one, and leaves an empty clone for Fetch.
// Failures of the network, of credentials or of this machine (a full or read-only
// disk, no descriptors left) never lead there; they pass, and everything goes on.
//
// # People's files
//
// Nothing that somebody wrote is lost. A file is overwritten or deleted only
// when its content is that of the commit before or after; anything else is moved
// to .git/confmirror/kept/<time>/<path>. The new file is exchanged with the old
// one in one step and the old one looked at afterwards, so no edit slips in
// between. [Clone.Edits] tells of mirrored files that were edited, added or committed here, and
// of those that a checkout moved aside while somebody wrote them, with the commit that the
// edit was made on; it looks when it is asked to. Local commits get a ref below refs/confmirror/kept. Hooks, filters,
// attributes, line ends and the configuration of a user or a system act on
// nothing here, and the clone's own configuration keeps them off people's git.
//
// # Hostile content
//
// Names are names until they become files: what some file system takes for .git
// or for a way out is neither written to the working tree nor read as part of a
// skill, one name at a time; con.json is a name like any other. Working
// directories are entered one component at a time and never through a symbolic
// link. What stands where a kind's directory or an entity's file should be and
// is none (a link, a submodule, a file) is unreadable, which is not absent. A
// pack is hashed with collision detection, deltas are applied within bounds,
// and a few trees that stand for millions of files are refused.
//
// # The remote
//
// Every failure is a *mirror.Fault, but for mirror.ErrStale and a cancelled
// context. A push whose answer is empty, cut off or does not name the branch
// is not taken for success: the branch is looked at once more, and what cannot
// be settled is left open. A server that takes no pack with deltas of what it has
// gets a whole one; packs of many objects hold such deltas where the link is slow.
// Transfers end when nothing has moved for
// Options.StallTimeout; a long transfer that moves is never cut. Credentials go
// to the repository's own origin only, never into an address, a file or a message.
package clone
