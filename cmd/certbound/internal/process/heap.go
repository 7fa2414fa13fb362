package process

import "runtime"

// reserve is address space that is never touched, so it takes no memory, but the
// garbage collector counts it. A server of this kind keeps a few megabytes and
// makes garbage with every request: left alone, the collector would run some
// hundred times a second to free four megabytes each time.
var reserve []byte

// How much garbage may gather between two runs, about. A proxy's requests make
// little, and are dearer with more: their memory is in no cache any more by the time
// it is used again. An authorization server makes more of it, above all by handshakes,
// and has more to look through at each run.
const (
	ProxyReserve = 16 << 20
	AuthzReserve = 64 << 20
)

// ReserveHeap lets the garbage collector run less often, for at most so many bytes
// more of memory. Servers call it once, before they serve. GOGC and GOMEMLIMIT count
// as ever.
func ReserveHeap(size int) {
	if reserve == nil {
		reserve = make([]byte, size)
	}
	runtime.KeepAlive(reserve)
}

// SampleHeap says whether allocations are sampled for the profile of the heap,
// which only a server that shows profiles has a use for. It costs a token request
// a hundredth. Servers call it once, before they serve.
func SampleHeap(wanted bool) {
	if !wanted {
		runtime.MemProfileRate = 0
	}
}
