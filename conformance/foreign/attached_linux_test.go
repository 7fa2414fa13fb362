package foreign

import "syscall"

// attached ends a peer also when the test process is killed and cleans up nothing.
func attached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} }
