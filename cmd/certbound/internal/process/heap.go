package process

import "runtime"

// reserve is address space that is never touched, so it takes no memory, but the
// garbage collector counts it. A server of this kind keeps a few megabytes and
// makes garbage with every request: left alone, the collector would run some
// hundred times a second to free four megabytes each time.
var reserve []byte

// reserveSize bounds the garbage that may gather between two runs, about as much.
// With four times that the collector hardly ran, and requests were dearer: their
// memory was in no cache any more by the time it was used again.
const reserveSize = 16 << 20

// ReserveHeap lets the garbage collector run less often, for at most 16 MiB more
// memory. Servers call it once, before they serve. GOGC and GOMEMLIMIT count as
// ever.
func ReserveHeap() {
	if reserve == nil {
		reserve = make([]byte, reserveSize)
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
