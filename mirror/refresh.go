package mirror

import "context"

// refresh computes the digests anew that an earlier version of the canonical form made.
// They say nothing about a change any more, and an upgrade must not make a commit.
func (v *view) refresh(ctx context.Context, m *Mirror, store Store) error {
	var outdated []*Base
	for _, b := range v.obs.Bases {
		if !b.Digest.Current() {
			outdated = append(outdated, b)
		}
	}
	if len(outdated) == 0 {
		return nil
	}
	if err := store.Contents(ctx, m, outdated); err != nil {
		return err
	}
	for _, b := range outdated {
		if b.Content == nil {
			continue // it counts as changed, and is agreed on anew
		}
		if doc, problem := parse(b.Kind, b.Slug, b.Content, noLimits); problem == nil {
			b.Digest = doc.Digest()
			v.foundBases = append(v.foundBases, b)
		}
	}
	return nil
}
