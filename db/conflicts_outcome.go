package db

import (
	"slices"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// A conflict was decided for one side. What would have been decided for the other
// differs from that in the contested places only, and that difference is what taking
// the other side brings into today's document. So edits elsewhere stay, and taking a
// side and then the other one again is where it began.
//
//	both_changed       the merge of both sides, for either of them
//	replaced           the same without a common base, where a renamed row met a file;
//	                   a whole document, where another row took the slug
//	invalid_merge      a whole document: the merge broke a rule
//	history_rewritten  a whole document; git's may be that there is none
//	became_private     the row's document, or git's newer one merged into it: the row
//	                   stays private, so nothing of it reaches the branch
//	taken              a whole document: a person had decided already

// Winner is the side that the contested places have: the one that was taken last, or
// else the one that was decided for.
func (c *Conflict) Winner() document.Policy {
	if c.Resolution != "" {
		return document.Policy(c.Resolution)
	}
	return c.Decided
}

// Whole reports whether the sides contest the whole document, and not some places of it.
func (c *Conflict) Whole() bool { return len(c.Places) == 0 || slices.Equal(c.Places, []string{""}) }

// outcome is what a decision for a side makes of the conflict; nil for no entity.
func (c *Conflict) outcome(side document.Policy) *document.Document {
	if c.Database != nil && c.Git != nil {
		base := c.Base
		switch {
		case c.Reason == mirror.ConflictReplaced && !c.Whole():
			base = nil
			fallthrough
		case c.Reason == mirror.ConflictBothChanged,
			c.Reason == mirror.ConflictPrivate && side == document.PreferGit:
			merged, _ := document.Merge(base, c.Database, c.Git, side)
			return merged
		}
	}
	if side == document.PreferGit {
		return c.Git
	}
	return c.Database
}
