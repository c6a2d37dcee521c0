package mirror

import "github.com/confmirror/confmirror/mirror/document"

// ConflictReason says why a document was kept.
type ConflictReason string

const (
	ConflictBothChanged      ConflictReason = "both_changed"
	ConflictReplaced         ConflictReason = "replaced"
	ConflictHistoryRewritten ConflictReason = "history_rewritten"
	ConflictPrivate          ConflictReason = "became_private"
	ConflictInvalidMerge     ConflictReason = "invalid_merge"
	// ConflictTaken: a person decided. It is resolved from the beginning.
	ConflictTaken ConflictReason = "taken"
)

// Conflict keeps the documents of a decision that dropped something. Unique on
// (kind, row, base git id, database digest, git id), so writing it twice is once.
type Conflict struct {
	Key
	RowID    string
	Slug     string
	Reason   ConflictReason
	Base     *document.Document
	Database *document.Document
	Git      *document.Document
	// Decided is the side that won the contested places.
	Decided document.Policy
	// Places are the contested ones.
	Places     []string
	BaseGitID  string
	DatabaseID document.Digest
	GitID      string
	// Pending: an earlier run may have kept it, whose push failed, or whose proposal waits; a
	// person may have put it away since.
	Pending bool
}

// conflict keeps the documents of both sides and their base.
func (p *planner) conflict(s *Subject, reason ConflictReason, decided document.Policy, places []string) *Conflict {
	f := s.file()
	c := &Conflict{
		Key: Key{s.Kind, f.Path}, Slug: f.Slug, Reason: reason,
		Database: s.visible, Git: f.Document, GitID: f.GitID,
		Decided: decided, Places: places,
		Pending: s.Left != nil && s.Left.Reason == ReasonBlocked && s.Left.GitID == f.GitID && s.Left.Digest == s.digest,
	}
	if s.Row != nil {
		c.RowID, c.Slug = s.Row.ID, s.Row.Slug
	}
	c.DatabaseID = s.digest
	if s.Base != nil && !s.Replaced {
		c.Base, c.BaseGitID = s.baseDocument(), s.Base.GitID
	}
	return c
}

// keepReplaced records what imports and deletions overwrite after the branch's history
// was rewritten, those that wait for a person or a missing reference and those that are
// kept among them: the runs that carry them out, or import another file there, do not
// know of it any more.
func (p *planner) keepReplaced() {
	for _, d := range p.decisions {
		replaces := d.writesRow() || (d.Effect == Hold || d.Effect == Part) && d.Direction == ToDatabase ||
			d.Effect == Refuse && len(d.Problem.WaitsFor) > 0
		if replaces && d.live() && d.visible != nil && len(d.Conflicts) == 0 {
			d.Conflicts = append(d.Conflicts, p.conflict(d.Subject, ConflictHistoryRewritten, document.PreferGit, nil))
		}
	}
}
