//go:build !linux

package clone

// gitAtWork cannot be told here: the age of a lock decides.
func (c *Clone) gitAtWork() bool { return false }
