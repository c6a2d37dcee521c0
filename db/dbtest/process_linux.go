package dbtest

import "syscall"

// attributes start the server so that it ends at once (SIGQUIT: "immediate"
// shutdown) when the thread that started it ends; start keeps that thread
// alive for as long as the test process lives.
func attributes(as *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: as, Pdeathsig: syscall.SIGQUIT}
}
