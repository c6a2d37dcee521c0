package mirror

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"

	"github.com/confmirror/confmirror/mirror/document"
	"github.com/confmirror/confmirror/mirror/parallel"
)

// view is what one round of a run observed on all three sides.
type view struct {
	head      Hash
	looked    bool   // the remote was asked for it
	main      string // the remote's main branch; "" if it was not asked
	rewritten bool
	portion   portion       // of the run's agenda
	complete  bool          // everything is compared anew
	unmissed  bool          // a new server is missed by nobody whom the agenda does not name
	files     map[Key]*File // what git changed of it, read
	obs       *Observation
	subjects  []*Subject
	others    map[string]bool // MCP servers that may be other ones by this plan
	servers   map[string]document.Server
	left      map[Key]*Unsettled
	proposal  proposal
	// open are the intents that wait on the proposal branch, by id.
	open map[int64]bool
	// landed are the commits of intents that the branch contains: somebody may have
	// edited on top of a push whose answer was lost.
	landed map[Hash]bool
	// What intents turned out to be agreed, and bases with fresh digests: settled with the run.
	foundBases   []*Base
	foundDrops   []Key
	foundIntents []int64
	foundAt      map[Key][]int64 // the intents, by their places
	// foundDeletions are those that an intent turned out to have made on the branch.
	foundDeletions int
	// idle are changes that concern nothing mirrored.
	idle []int64
}

// observe reads git first and the database second, in one snapshot; whatever
// changes later is found by the compare-and-swaps or by the next run.
func (r *run) observe(ctx context.Context) (*view, error) {
	v, err := r.look(ctx, r.req.Look)
	if err == nil && !v.looked && v.asked(r.mirror) {
		v, err = r.look(ctx, true)
	}
	if err != nil {
		return nil, err
	}
	if v, err = r.withDependents(ctx, v, map[string]bool{}); err != nil {
		return nil, err
	}
	return v, v.load(ctx, r.mirror, r.Store)
}

// withDependents reads again, together with the toolkits that name a server which may be
// another one by this plan. What is read again may show the edit of one more server. asked
// are those that v was read with.
func (r *run) withDependents(ctx context.Context, v *view, asked map[string]bool) (*view, error) {
	for {
		others, err := v.otherServers(ctx, r.mirror, r.Store)
		if err != nil {
			return nil, err
		}
		known := len(asked)
		for _, slug := range others {
			asked[slug] = true
		}
		if len(asked) == known {
			v.others = asked
			return v, nil
		}
		again := view{head: v.head, looked: v.looked, main: v.main, rewritten: v.rewritten, proposal: v.proposal}
		if v, err = r.join(ctx, &again, slices.Sorted(maps.Keys(asked)), nil); err != nil {
			return nil, err
		}
	}
}

// look reads both sides' changes.
func (r *run) look(ctx context.Context, remote bool) (*view, error) {
	v, m, c := &view{}, r.mirror, r.clone
	database, waitForIt := r.askBeside(ctx, remote)
	defer waitForIt()
	if err := r.observeHead(ctx, v, remote || r.proposing()); err != nil {
		return nil, err
	}
	if err := r.observeProposal(ctx, v); err != nil {
		return nil, err
	}
	for _, from := range m.readFrom() {
		in, err := contains(ctx, c, v.head, from)
		if err != nil {
			return nil, err
		}
		v.rewritten = v.rewritten || !in
	}
	if err := r.plan(ctx, v); err != nil {
		return nil, err
	}
	return r.join(ctx, v, nil, database)
}

// join joins what the portion of the agenda and the database show; servers as in [Query],
// database as of askBeside.
func (r *run) join(ctx context.Context, v *view, servers []string, database func() (*Observation, error)) (*view, error) {
	m, c := r.mirror, r.clone
	for {
		v.portion = r.agenda.portion(r.req.limit)
		query := Query{
			Proposals: v.proposal.all, Preview: r.req.preview, Limit: r.req.limit, Entries: v.portion.entries, Rows: v.portion.rows, Servers: servers,
			Open: r.agenda.complete && v.portion.last,
		}
		reading := v.readAhead(ctx, c, r.Rules.Limits)
		var err error
		if database == nil || len(query.Entries)+len(query.Rows) > 0 || query.Open || query.Proposals {
			v.obs, err = r.Store.Observe(ctx, m, query)
		} else {
			v.obs, err = database()
		}
		database = nil
		if err = cmp.Or(err, reading()); err != nil {
			return nil, err
		}
		if v.looked && r.proposing() && !v.proposal.all && (len(v.obs.Changes)+len(v.obs.Unsettled) > 0 || r.agenda.complete) {
			v.proposal.all = true
			continue
		}
		if r.agenda.complete || !v.obs.wholeKind() {
			break
		}
		// A table was truncated: nothing tells which rows went.
		if r.agenda, err = compare(ctx, m, r.Store, c, v.head); err != nil {
			return nil, err
		}
	}
	v.unmissed, v.complete = r.agenda.unmissed, r.agenda.complete
	if err := v.refresh(ctx, m, r.Store); err != nil {
		return nil, err
	}
	if err := v.collect(ctx, m, c); err != nil {
		return nil, err
	}
	return v, v.read(ctx, c, r.Rules.Limits)
}

// askBeside asks the database while the remote is asked, which tells mostly that nothing
// is new. The answer counts where git has nothing to add to the question: whatever is
// written after it, on either side, is the next run's. database is nil where it would not
// do; wait returns when nothing is under way any more.
func (r *run) askBeside(ctx context.Context, remote bool) (database func() (*Observation, error), wait func()) {
	if !remote || r.agenda != nil || r.mirror.Cursor == "" {
		return nil, func() {}
	}
	var obs *Observation
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		obs, err = r.Store.Observe(ctx, r.mirror, Query{Preview: r.req.preview, Limit: r.req.limit})
	}()
	return func() (*Observation, error) { <-done; return obs, err }, func() { <-done }
}

// readAhead reads what git changed while the database is asked for its side; the
// function returned waits for it.
func (v *view) readAhead(ctx context.Context, c Clone, limits document.Limits) (wait func() error) {
	read := make([]*File, len(v.portion.entries))
	done := make(chan error, 1)
	go func() {
		done <- parallel.Each(len(read), func(i int) error {
			read[i] = &File{Entry: v.portion.entries[i]}
			return read[i].read(ctx, c, limits)
		})
	}()
	return func() error {
		err := <-done
		v.files = make(map[Key]*File, len(read))
		for _, f := range read {
			v.files[Key{f.Kind, f.Path}] = f
		}
		return err
	}
}

// plan finds what the run has to look at, or adds what git changed since an earlier round.
func (r *run) plan(ctx context.Context, v *view) error {
	m, c := r.mirror, r.clone
	var err error
	switch {
	case r.agenda != nil && r.agenda.head == v.head:
	case r.agenda != nil && (r.agenda.head == "" || c.Has(ctx, r.agenda.head)):
		entries, err := c.Diff(ctx, r.agenda.head, v.head)
		if err != nil {
			return err
		}
		r.agenda.follow(v.head, entries)
	case r.req.Full, m.Cursor == "", m.PlannedBy != r.plannedBy(), !c.Has(ctx, m.Cursor),
		slices.ContainsFunc(m.ImportedFrom, func(h Hash) bool { return !c.Has(ctx, h) }):
		r.agenda, err = compare(ctx, m, r.Store, c, v.head)
	default:
		var entries []Entry
		if entries, err = changedEntries(ctx, m, c, v.head); err == nil {
			r.agenda = changedInGit(v.head, entries)
		}
	}
	return err
}

// asked reports whether a person asked for something since the run was started, who
// wants an answer about the branch as it is.
func (v *view) asked(m *Mirror) bool {
	return v.obs.Requested > m.Covered || slices.ContainsFunc(v.obs.Changes, func(c Change) bool { return c.Take != "" })
}

// observeHead finds the commit to plan against. A run that only the database asked
// for takes the remote as last seen and lets the push prove it; after an import whose
// settle was lost, that would be an older commit than rows came from.
func (r *run) observeHead(ctx context.Context, v *view, look bool) error {
	m, c := r.mirror, r.clone
	if !look && m.RemoteSeen != "" && len(m.ImportedFrom) == 0 && c.Has(ctx, m.RemoteSeen) {
		v.head = m.RemoteSeen
		return r.work(ctx)
	}
	head, err := c.Remote(ctx, proposalBranches(m)...)
	if err == nil {
		err = r.work(ctx)
	}
	if err != nil {
		return err
	}
	if head.Hash == "" && (!head.Empty || len(m.readFrom()) > 0) {
		// A branch that is gone proves no deletion of what was on it.
		return &Fault{
			Code:    CodeBranchNotFound,
			Message: fmt.Sprintf("The branch %q does not exist in the repository.", m.Branch()),
			Remedy:  "Create the branch, or set another one in the connection. Nothing was deleted.",
			Class:   Permanent,
		}
	}
	if head.Hash != "" && !c.Has(ctx, head.Hash) {
		if err := c.Fetch(ctx, head.Hash); err != nil {
			return err
		}
	}
	v.head, v.main, v.looked = head.Hash, head.Main, true
	v.proposal.branch = proposalBranch(m, head.Main)
	v.proposal.head = head.Others[v.proposal.branch]
	return nil
}

// changedEntries lists what git changed since every commit that rows came from: the branch
// may have been set back since then.
func changedEntries(ctx context.Context, m *Mirror, c Clone, head Hash) ([]Entry, error) {
	var entries []Entry
	known := map[Key]bool{}
	for _, from := range m.readFrom() {
		if from == head {
			continue
		}
		changed, err := c.Diff(ctx, from, head)
		if err != nil {
			return nil, err
		}
		for _, e := range changed {
			if key := (Key{e.Kind, e.Path}); !known[key] {
				known[key] = true
				entries = append(entries, e)
			}
		}
	}
	return entries, nil
}

func (o *Observation) wholeKind() bool {
	for _, c := range o.Changes {
		if c.RowID == "" {
			return true
		}
	}
	return false
}

// collect joins the three sides into subjects.
func (v *view) collect(ctx context.Context, m *Mirror, c Clone) error {
	files, err := v.lookup(ctx, m.Settings.Layout(), c)
	if err != nil {
		return err
	}
	if err := v.findLanded(ctx, m, c); err != nil {
		return err
	}
	j := newJoin(m.Settings.Layout(), v, files)
	j.applyIntents()
	j.addBases()
	j.addRows()
	j.addFiles(v.portion.entries)
	j.addChanges()
	j.addProposals()
	v.subjects = j.subjects
	sort.SliceStable(v.subjects, func(a, b int) bool {
		x, y := v.subjects[a], v.subjects[b]
		if x.Kind != y.Kind {
			return x.Kind.Order() < y.Kind.Order()
		}
		return x.File.Path < y.File.Path
	})
	return nil
}

// findLanded tells which intents' commits the branch contains, and which wait on the
// proposal branch.
func (v *view) findLanded(ctx context.Context, m *Mirror, c Clone) error {
	v.landed, v.open = map[Hash]bool{}, map[int64]bool{}
	waiting := map[Hash]bool{}
	for _, i := range v.obs.Intents {
		if _, known := v.landed[i.Commit]; known || v.head == "" {
			continue
		}
		var err error
		if v.landed[i.Commit], err = contains(ctx, c, v.head, i.Commit); err != nil {
			return err
		}
		if v.landed[i.Commit] || i.Ref == refOf(m.Branch()) {
			continue
		}
		if v.landed[i.Commit], waiting[i.Commit], err = v.proposal.judge(ctx, c, i.Commit); err != nil {
			return err
		}
	}
	for _, i := range v.obs.Intents {
		v.open[i.ID] = waiting[i.Commit]
	}
	return nil
}

// contains reports whether a commit is in the history of another, as far as the clone knows.
func contains(ctx context.Context, c Clone, commit, ancestor Hash) (bool, error) {
	if commit == "" || ancestor == "" {
		return false, nil
	}
	in, err := c.Contains(ctx, commit, ancestor)
	if errors.Is(err, ErrNoCommit) {
		return false, nil
	}
	return in, err
}

// lookup finds git's side of everything that the observation names.
func (v *view) lookup(ctx context.Context, l document.Layout, c Clone) (map[Key]Entry, error) {
	found := make(map[Key]Entry, len(v.portion.entries))
	for _, e := range v.portion.entries {
		found[Key{e.Kind, e.Path}] = e
	}
	var places []Place
	want := func(k document.Kind, slug, path string) {
		key := Key{k, path}
		if _, ok := found[key]; !ok {
			found[key] = Entry{Kind: k, Slug: slug, Path: path}
			places = append(places, Place{k, slug})
		}
	}
	for _, b := range v.obs.Bases {
		want(b.Kind, b.Slug, b.Path)
	}
	for _, i := range v.obs.Intents {
		want(i.Kind, i.Slug, i.Path)
	}
	for _, u := range v.obs.Unsettled {
		want(u.Kind, u.Slug, u.Path)
	}
	for _, row := range v.obs.Rows {
		if document.ValidSlug(row.Kind, row.Slug) {
			want(row.Kind, row.Slug, l.Path(row.Kind, row.Slug))
		}
	}
	if len(places) == 0 {
		return found, nil
	}
	at, err := c.Lookup(ctx, v.head, places)
	if err != nil {
		return nil, err
	}
	for _, e := range at {
		found[Key{e.Kind, e.Path}] = e
	}
	return found, nil
}
