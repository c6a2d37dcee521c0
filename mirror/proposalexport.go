package mirror

import (
	"context"

	"github.com/confmirror/confmirror/mirror/document"
)

// exportAll makes the exports of the decisions, and adds them.
func (p *proposing) exportAll(ctx context.Context, decisions []*Decision) error {
	if p.on == "" {
		p.newExports(decisions)
		return nil
	}
	ours, err := p.entries(ctx, decisions, func(d *Decision) Hash {
		if d.Proposed != nil {
			return d.Proposed.Commit
		}
		return p.base
	})
	if err != nil {
		return err
	}
	there, err := p.entries(ctx, decisions, func(*Decision) Hash { return p.on })
	if err != nil {
		return err
	}
	for i, d := range decisions {
		e, err := p.newProposal(ctx, d, ours[i], there[i])
		if err != nil {
			return err
		}
		p.exports = append(p.exports, e)
	}
	return nil
}

// entries finds the decisions' places in commits.
func (p *proposing) entries(ctx context.Context, decisions []*Decision, at func(*Decision) Hash) ([]Entry, error) {
	found := make([]Entry, len(decisions))
	places := map[Hash][]Place{}
	which := map[Hash][]int{}
	for i, d := range decisions {
		h := at(d)
		places[h] = append(places[h], Place{d.Kind, d.Slug()})
		which[h] = append(which[h], i)
	}
	for h, list := range places {
		entries, err := p.clone.Lookup(ctx, h, list)
		if err != nil {
			return nil, err
		}
		for n, i := range which[h] {
			found[i] = entries[n]
		}
	}
	return found, nil
}

// newProposal is an export on top of the proposal branch, where stands what there says;
// ours is what we, or whoever came before the proposal, had put there.
func (p *proposing) newProposal(ctx context.Context, d *Decision, ours, there Entry) (*export, error) {
	e := &export{Decision: d, verb: d.verb(p.layout, ToGit), path: d.Path(p.layout)}
	if d.Effect == RemoveFile {
		e.changes = []FileChange{{Path: e.path, Delete: true}}
		return e, nil
	}
	if f := d.file(); f.Exists() && f.Path != e.path {
		e.from = f.Path
		e.changes = append(e.changes, FileChange{Path: f.Path, Delete: true})
	}
	on := &File{Entry: there}
	if err := on.read(ctx, p.clone, noLimits); err != nil {
		return nil, err
	}
	doc := d.Document
	if there.GitID != "" && there.GitID != ours.GitID && there.GitID != d.file().GitID && on.Document != nil {
		mixed, err := p.mix(ctx, d, ours, on)
		if err != nil {
			return nil, err
		}
		e.mixed = d.digestOf(mixed) != d.digestOf(doc)
		doc = mixed
	}
	if on.Exists() && !p.anew && e.verb == VerbCreate {
		e.verb = VerbUpdate
	}
	if p.anew || d.Kind != document.Skills && (on.Problem != nil || !on.Exists() && e.from == "") {
		on = d.file() // its layout
	}
	e.write(on, doc)
	if p.merge && !p.anew { // which may take away what is as it was on the proposal branch
		e.writeWhole()
	}
	return e, nil
}

// mix joins a row's newer edit with what somebody changed in its proposal. Where both
// changed the same, the newer one counts; the other stays in the branch's history.
func (p *proposing) mix(ctx context.Context, d *Decision, ours Entry, on *File) (*document.Document, error) {
	was := &File{Entry: ours}
	if err := was.read(ctx, p.clone, noLimits); err != nil {
		return nil, err
	}
	mixed, _ := document.Merge(was.Document, d.Document, on.Document, document.PreferDatabase)
	if mixed.Validate(p.Rules.Limits) != nil || mixed.Slug != d.Document.Slug {
		return d.Document, nil
	}
	return mixed, nil
}
