//go:build !unix

package clone

import "os"

// takeLock only opens the file: these systems are for development.
func takeLock(root *os.Root, name string) (*os.File, error) {
	return root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
}

func giveLock(f *os.File) error { return f.Close() }
