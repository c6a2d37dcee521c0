//go:build !unix

package daemon

import "os"

// lockFile does nothing: these systems are for development.
func lockFile(*os.File) error { return nil }
