package revoke

import (
	"strconv"
	"time"

	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/resource/decision"
)

// longestWait is the longest that a follower is kept waiting; who asks for more
// gets this. Within it, followers and whatever is between see that we are alive.
const longestWait = 30 * time.Second

// question is what a follower asks: what is newer than after, and how long it
// would wait for it.
type question struct {
	after int64
	wait  time.Duration
}

// parseQuestion reads after and wait; both are 0 when they are omitted.
func parseQuestion(form oauth.Form) (q question, refusal *oauth.Error) {
	if text := form.Get(oauth.ParamAfter); text != "" {
		after, err := strconv.ParseUint(text, 10, 63) // which knows no sign
		if err != nil {
			return q, oauth.Refuse(decision.RequestMalformed, "after is not a sequence number")
		}
		q.after = int64(after)
	}
	if text := form.Get(oauth.ParamWait); text != "" {
		wait, err := time.ParseDuration(text)
		if err != nil || wait < 0 {
			return q, oauth.Refuse(decision.RequestMalformed, `wait is not a duration such as "25s"`)
		}
		q.wait = min(wait, longestWait)
	}
	return q, nil
}
