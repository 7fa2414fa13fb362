//go:build !linux

package foreign

import "syscall"

func attached() *syscall.SysProcAttr { return nil }
