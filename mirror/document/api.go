package document

// Edit changes an existing file of a JSON kind so that it parses to exactly d,
// changing only the bytes of values that differ. A file that does not parse is
// replaced by Encode's.
func Edit(file []byte, d *Document) []byte { panic("to do") }

// Merge joins two documents that both changed since base (nil: no common base).
// Places that only one side changed are taken from it; places both changed
// differently go by the policy, and are listed in lost (JSON pointers; for
// skills "path" or "path:line"). With lost empty the merge is clean.
func Merge(base, database, git *Document, policy Policy) (merged *Document, lost []string) {
	panic("to do")
}
