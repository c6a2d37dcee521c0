//go:build unix && !linux

package dbtest

import "syscall"

// attributes: other systems have no parent death signal; a killed test leaves its
// server running until it is stopped by hand.
func attributes(as *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: as}
}
