package jwks

import "time"

// Age is how long ago something was learnt. The monotonic clock stands still while
// a machine is suspended and the wall clock can be set back: the larger of both is
// taken.
func Age(learnt, now time.Time) time.Duration {
	return max(now.Sub(learnt), now.Round(0).Sub(learnt.Round(0)))
}
