package harness

import (
	"testing"

	"golang.org/x/sys/unix"
)

// NoLimit lifts what LimitFileSize has set.
const NoLimit = ^uint64(0)

// LimitFileSize makes every write of the running process fail that would leave a
// file longer than so many bytes, as a full disk does; 0 lets nothing be written
// at all. It needs no privilege and no file system of its own, and root is not
// exempt (setrlimit(2), RLIMIT_FSIZE).
func (d *Dev) LimitFileSize(t testing.TB, bytes uint64) {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Prlimit(d.PID, unix.RLIMIT_FSIZE, nil, &limit); err != nil {
		t.Fatalf("harness: reading the file size limit: %v", err)
	}
	limit.Cur = min(bytes, limit.Max)
	if err := unix.Prlimit(d.PID, unix.RLIMIT_FSIZE, &limit, nil); err != nil {
		t.Fatalf("harness: setting the file size limit: %v", err)
	}
}
