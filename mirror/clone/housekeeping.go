package clone

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// A fetch adds a pack, a push adds a few loose objects. Beyond these numbers
// they are merged into one pack: often, in small steps.
const (
	maxPacks      = 50
	maxLoose      = 1024
	maxLooseBytes = 32 << 20
	// mergeBelow: larger packs are left as they are, so that no step takes long or
	// needs memory by the size of the repository. There are few of them.
	mergeBelow = 64 << 20
)

// upkeep is a merge that is under way beside whatever else the clone is used for. It only
// reads what is there and writes files without a name; the clone's next use makes them count.
type upkeep struct {
	cancel context.CancelFunc
	done   chan struct{} // closed once the rest is there
	merged *mergedPack   // nil: there was nothing to merge
	err    error
}

// housekeep merges packs and loose objects when there are too many, in the background.
// Entries of packs are copied as they are, deltas included, so that the remote's good
// compression is kept and nothing is inflated; loose trees become deltas of the trees
// that replaced them. A failure harms nothing.
func (c *Clone) housekeep() {
	if c.upkeep != nil {
		select {
		case <-c.upkeep.done:
			c.endUpkeep()
		default:
			return
		}
	}
	if c.store.packCount <= maxPacks && c.store.loose.count <= maxLoose && c.store.loose.bytes <= maxLooseBytes {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	k := &upkeep{cancel: cancel, done: make(chan struct{})}
	c.upkeep = k
	git, dir, head := c.git, c.lock, c.checkedOut()
	go func() {
		defer close(k.done)
		s := openStore(git)
		defer s.close()
		s.trees = &treeCache{limit: mergeCacheSize} // old trees are read for this once
		s.packs.bases.limit = mergeCacheSize / 4
		if k.merged, k.err = s.merge(ctx, head); k.err == nil && k.merged != nil {
			k.err = syncAll(dir) // before what it replaces goes
		}
	}()
}

// endUpkeep waits for a merge that is under way, and lets it count.
func (c *Clone) endUpkeep() {
	k := c.upkeep
	if k == nil {
		return
	}
	c.upkeep = nil
	<-k.done
	k.cancel()
	if k.err == nil && k.merged != nil {
		if k.err = c.store.namePack(k.merged.tmp, k.merged.tmpIdx, k.merged.id); k.err == nil {
			c.store.dropMerged(k.merged)
			return
		}
	}
	k.merged.remove(c.git)
	if k.err != nil && !errors.Is(k.err, context.Canceled) {
		c.log.Warn("the clone's packs could not be merged", "error", k.err)
	}
}

// dropUpkeep ends a merge that is under way, of a clone that is started anew.
func (c *Clone) dropUpkeep() {
	if c.upkeep != nil {
		c.upkeep.cancel()
		<-c.upkeep.done
		c.upkeep.merged.remove(c.git)
		c.upkeep = nil
	}
}

// mergedPack is a pack without a name yet, and what it replaces.
type mergedPack struct {
	tmp, tmpIdx string
	id          plumbing.Hash
	packs       []string // without extension
	loose       []looseFile
}

func (m *mergedPack) remove(git *os.Root) {
	if m != nil {
		git.Remove(m.tmp)
		git.Remove(m.tmpIdx)
	}
}

// source is a pack that is merged.
type source struct {
	name    string // without extension
	file    *os.File
	size    int64
	entries []packEntry // by offset
}

// merge writes one pack of the others and of all loose objects; nil if that is no use.
func (s *store) merge(ctx context.Context, head plumbing.Hash) (_ *mergedPack, err error) {
	sources, err := s.sources()
	defer func() {
		for _, src := range sources {
			src.file.Close()
		}
	}()
	if err != nil {
		return nil, err
	}
	merged := &mergedPack{loose: looseFiles(s.git)}
	if len(sources) < 2 && len(merged.loose) == 0 {
		return nil, nil
	}
	unique := make(map[plumbing.Hash]bool)
	for _, src := range sources {
		merged.packs = append(merged.packs, src.name)
		for _, e := range src.entries {
			unique[e.id] = true
		}
	}
	single := make(map[plumbing.Hash]bool, len(merged.loose)) // in no pack
	for _, o := range merged.loose {
		if !unique[o.id] {
			single[o.id], unique[o.id] = true, true
		}
	}
	trees := s.treeChain(ctx, head, single)
	var f *os.File
	if f, merged.tmp, err = s.tempPack(); err != nil {
		return nil, err
	}
	defer func() {
		f.Close()
		if err != nil {
			merged.remove(s.git)
		}
	}()
	m := &merger{s: s, ctx: ctx, offsets: make(map[plumbing.Hash]uint64, len(unique))}
	w := bufio.NewWriterSize(f, 1<<20)
	if merged.id, err = m.write(w, len(unique), sources, trees, single); err != nil {
		return nil, err
	}
	if err = w.Flush(); err != nil {
		return nil, err
	}
	merged.tmpIdx, err = s.writePackIndex(merged.id, m.w.entries)
	return merged, err
}

// dropMerged removes what the new pack replaces.
func (s *store) dropMerged(m *mergedPack) {
	for _, e := range readDir(s.git, "objects/pack") {
		if strings.HasPrefix(e.Name(), "multi-pack-index") { // somebody's git made one; it names packs that go
			s.git.RemoveAll("objects/pack/" + e.Name())
		}
	}
	for _, name := range m.packs {
		if name == "pack-"+m.id.String() {
			continue
		}
		for _, ext := range []string{".idx", ".rev", ".bitmap", ".mtimes", ".pack"} { // invisible first
			s.git.Remove("objects/pack/" + name + ext)
		}
	}
	for _, o := range m.loose {
		s.git.Remove(loosePath(o.id))
		s.loose.remove(o.size)
	}
	s.reopen()
}

// sources opens the packs to merge: all, or all but one that is much larger than
// the rest together, so that work is proportional to what is new.
func (s *store) sources() (out []*source, err error) {
	for _, e := range readDir(s.git, "objects/pack") {
		name, ok := strings.CutSuffix(e.Name(), ".idx")
		if !ok || !strings.HasPrefix(name, "pack-") || exists(s.git, "objects/pack/"+name+".keep") {
			continue
		}
		src := &source{name: name}
		if src.file, err = s.git.Open("objects/pack/" + name + ".pack"); err != nil {
			return out, err
		}
		out = append(out, src)
		fi, err := src.file.Stat()
		if err != nil {
			return out, err
		}
		src.size = fi.Size()
		if src.size >= mergeBelow {
			src.file.Close()
			out = out[:len(out)-1]
		}
	}
	slices.SortFunc(out, func(a, b *source) int { return cmp.Compare(a.size, b.size) })
	if n := len(out); n > 0 {
		rest := int64(0)
		for _, src := range out[:n-1] {
			rest += src.size
		}
		if out[n-1].size > 2*rest {
			out[n-1].file.Close()
			out = out[:n-1]
		}
	}
	for _, src := range out {
		if err := src.readIndex(s.git); err != nil {
			return out, err
		}
	}
	return out, nil
}

func (src *source) readIndex(git *os.Root) error {
	b, err := git.ReadFile("objects/pack/" + src.name + ".idx")
	if err != nil {
		return err
	}
	idx, err := parsePackIndex(b)
	if err != nil {
		return err
	}
	src.entries = idx.entries()
	return nil
}

// merger writes one pack from others.
type merger struct {
	s       *store
	ctx     context.Context
	w       *packWriter
	offsets map[plumbing.Hash]uint64 // where an object stands in the new pack
	entry   bytes.Buffer
}

func (m *merger) write(w *bufio.Writer, count int, sources []*source, trees []treeStep, loose map[plumbing.Hash]bool) (id plumbing.Hash, err error) {
	if m.w, err = newPackWriter(w, count); err != nil {
		return id, err
	}
	for _, src := range sources {
		if err := m.copyPack(src); err != nil {
			return id, fmt.Errorf("%s: %w", src.name, err)
		}
	}
	for _, step := range trees {
		if err := m.addLoose(step.id, step.base); err != nil {
			return id, err
		}
	}
	for id := range loose {
		if err := m.addLoose(id, plumbing.ZeroHash); err != nil {
			return id, err
		}
	}
	return m.w.finish()
}

// addLoose writes a loose object, as a delta of base where there is one.
func (m *merger) addLoose(id, base plumbing.Hash) error {
	if _, ok := m.offsets[id]; ok {
		return nil
	}
	if err := m.ctx.Err(); err != nil {
		return err
	}
	kind, data, err := m.s.readUnverified(id)
	if err != nil {
		return err
	}
	if hashObject(kind, data) != id {
		return &missingError{id, errors.New("its content is damaged")}
	}
	var delta []byte
	if !base.IsZero() {
		if delta, err = m.s.treeDelta(base, id); err != nil {
			return err
		}
	}
	m.entry.Reset()
	encodePackEntry(&m.entry, object{kind, id, data}, base, delta)
	m.offsets[id] = m.w.offset
	return m.w.add(id, m.entry.Bytes())
}

// copyPack copies the entries that the new pack does not have yet.
func (m *merger) copyPack(src *source) error {
	moved := make(map[int64]uint64, len(src.entries)) // old offset -> new
	for i, e := range src.entries {
		if err := m.ctx.Err(); err != nil {
			return err
		}
		old := int64(e.offset)
		if at, ok := m.offsets[e.id]; ok {
			moved[old] = at
			continue
		}
		end := src.size - 20
		if i+1 < len(src.entries) {
			end = int64(src.entries[i+1].offset)
		}
		if end <= old || end > src.size {
			return errPack
		}
		raw := make([]byte, end-old)
		if _, err := src.file.ReadAt(raw, old); err != nil {
			return unexpected(err)
		}
		if crc32.ChecksumIEEE(raw) != e.crc {
			return fmt.Errorf("%w: entry of %s", errPack, e.id)
		}
		raw, err := m.relocate(raw, old, moved)
		if err != nil {
			return err
		}
		moved[old], m.offsets[e.id] = m.w.offset, m.w.offset
		if err := m.w.add(e.id, raw); err != nil {
			return err
		}
	}
	return nil
}

// relocate rewrites the distance from an OFS_DELTA to its base.
func (m *merger) relocate(raw []byte, old int64, moved map[int64]uint64) ([]byte, error) {
	if plumbing.ObjectType(raw[0]>>4&7) != plumbing.OFSDeltaObject {
		return raw, nil
	}
	head := 1
	for raw[head-1]&0x80 != 0 {
		if head++; head > len(raw) {
			return nil, errPack
		}
	}
	r := bytes.NewReader(raw[head:])
	back, err := readOffset(r)
	if err != nil {
		return nil, errPack
	}
	base, ok := moved[old-back]
	if !ok {
		return nil, fmt.Errorf("%w: delta before its base", errPack)
	}
	out := append(make([]byte, 0, len(raw)+4), raw[:head]...)
	out = appendOffset(out, m.w.offset-base)
	return append(out, raw[len(raw)-r.Len():]...), nil
}

// appendOffset is the reverse of readOffset.
func appendOffset(b []byte, n uint64) []byte {
	var tmp [10]byte
	i := len(tmp) - 1
	tmp[i] = byte(n & 0x7f)
	for n >>= 7; n > 0; n >>= 7 {
		n--
		i--
		tmp[i] = 0x80 | byte(n&0x7f)
	}
	return append(b, tmp[i:]...)
}
