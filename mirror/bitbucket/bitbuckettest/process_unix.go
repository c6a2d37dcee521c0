//go:build unix

package bitbuckettest

import (
	"os/exec"
	"syscall"
)

// killWithChildren gives cmd a process group of its own, killed as a whole:
// git http-backend runs receive-pack, which runs hooks.
func killWithChildren(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
