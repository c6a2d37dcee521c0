package clone

import "os"

// SkipSync lets tests run without flushing a shared disk after every checkout.
func SkipSync() {
	syncAll = func(*os.File) error { return nil }
}

// SyncCounted counts the flushes while f runs.
func SyncCounted(f func()) (n int) {
	old := syncAll
	syncAll = func(*os.File) error { n++; return nil }
	defer func() { syncAll = old }()
	f()
	return n
}

// KeepSync brings the flush back that SkipSync took, until the function it gives is called.
func KeepSync() (back func()) {
	old := syncAll
	syncAll = flush
	return func() { syncAll = old }
}

// KnowsIndex reports whether the next checkout takes the index from memory.
func (c *Clone) KnowsIndex() bool { return c.index != nil && !c.indexForeign && c.indexOurs() }

// SetLinkSpeed makes the clone take its link for one of so many bytes a second.
func (c *Clone) SetLinkSpeed(perSecond int64) { c.remote.t.link.perSecond.Store(perSecond) }

// FinishUpkeep waits for a merge of packs that is under way.
func (c *Clone) FinishUpkeep() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endUpkeep()
}

// Merging reports whether packs are being merged, or were and nothing was used since.
func (c *Clone) Merging() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.upkeep != nil
}
