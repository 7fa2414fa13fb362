package revokefeed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/resource/jwks"
)

// KeySource supplies the issuer's public keys. It is the verifier's: the key
// that signs the feed is published with the others.
type KeySource interface {
	Keys(ctx context.Context, kid string) ([]jose.JSONWebKey, error)
}

// FollowerConfig says whose feed to follow and how.
type FollowerConfig struct {
	// URL is the feed's endpoint; default Issuer + "/oauth2/revocations".
	URL string

	// Issuer must equal the feed's iss octet for octet. Required.
	Issuer string

	// ClientID is the client that the authorization server knows this resource
	// server as. Required.
	ClientID string

	// HTTPClient presents that client's certificate and knows the server's roots.
	// Required. Redirects are never followed, time is bounded by the follower and
	// not by the client's Timeout, and after a failure idle connections are closed.
	HTTPClient *http.Client

	// Keys supplies the key that the feed is signed with. Required.
	Keys KeySource

	// MaxStaleness is how long the state may be used without a good answer: from
	// 1 s to an hour, 0 means the default of 30 s.
	MaxStaleness time.Duration

	// Earlier is a follower of the same issuer that this one is to replace. It begins
	// with what that one knows, so that what the authorization server has forgotten
	// since stays dead; it serves nobody before it has been answered itself. nil means
	// that it begins with nothing.
	Earlier *Follower

	// Clock is the current time; default time.Now.
	Clock func() time.Time

	// Logger gets failures and recoveries; default slog.Default().
	Logger *slog.Logger
}

// DefaultMaxStaleness is what FollowerConfig.MaxStaleness is when it is 0.
const DefaultMaxStaleness = 30 * time.Second

const (
	minStaleness = time.Second
	maxStaleness = time.Hour

	// longest is the longest poll: it is well below what proxies and firewalls
	// take for a dead connection.
	longest = 25 * time.Second
)

// Follower keeps the state that an authorization server's feed describes. Make
// one with [NewFollower] and start [Follower.Run]; everything else is safe for
// use by many goroutines.
type Follower struct {
	url, issuer, clientID string

	client             *http.Client
	keys               KeySource
	maxStaleness, wait time.Duration
	clock              func() time.Time
	logger             *slog.Logger
	created            time.Time

	current   atomic.Pointer[snapshot] // nil before the first good answer
	lastError atomic.Pointer[error]
	running   atomic.Bool
	wentBack  atomic.Bool // the server did; what it says next comes on top of what is known

	// What follows belongs to Run.
	draft    *draft    // answers of which the last is still to come
	resync   bool      // the state does not continue; ask for all of it
	failures int       // attempts since the last good answer
	logged   time.Time // when a failure was last logged
	pruned   time.Time // when the state was last swept
}

// NewFollower checks the configuration. It asks nothing yet: a resource server
// may start before its authorization server, and refuses until it has heard it.
func NewFollower(c FollowerConfig) (*Follower, error) {
	if c.URL == "" {
		c.URL = strings.TrimSuffix(c.Issuer, "/") + "/oauth2/revocations"
	}
	if c.MaxStaleness == 0 {
		c.MaxStaleness = DefaultMaxStaleness
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	client := *c.HTTPClient
	// The poll has a deadline of its own, and a client made for short requests
	// would cut each one off.
	client.Timeout, client.Jar = 0, nil
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	f := &Follower{
		url: c.URL, issuer: c.Issuer, clientID: c.ClientID, client: &client, keys: c.Keys,
		maxStaleness: c.MaxStaleness, wait: pollTime(c.MaxStaleness),
		clock: c.Clock, logger: c.Logger, created: c.Clock(),
	}
	if c.Earlier != nil {
		f.inherit(c.Earlier)
	}
	return f, nil
}

// inherit begins with what another follower knows, as of no time.
func (f *Follower) inherit(earlier *Follower) {
	f.resync = earlier.wentBack.Load() // before the state, which publish changes first
	f.wentBack.Store(f.resync)
	if s := earlier.current.Load(); s != nil {
		f.current.Store(&snapshot{table: s.table, seq: s.seq})
	}
}

// pollTime is how long to let the server wait: five sixths of what we may be
// without an answer, so that a quiet feed is heard in time.
func pollTime(staleness time.Duration) time.Duration {
	return min(longest, (staleness * 5 / 6).Truncate(time.Millisecond))
}

func (c *FollowerConfig) check() error {
	var problems []error
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			problems = append(problems, fmt.Errorf("revokefeed: "+format, args...))
		}
	}
	refuse(!jwks.IsIssuer(c.Issuer), "Issuer %q is not an https URL without user, query and fragment", c.Issuer)
	u, err := url.Parse(c.URL)
	refuse(err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "",
		"URL %q is not an https URL without user, query and fragment", c.URL)
	refuse(c.ClientID == "", "ClientID is required")
	refuse(c.HTTPClient == nil, "HTTPClient is required: the feed is for clients with a certificate")
	refuse(c.Keys == nil, "Keys is required")
	refuse(c.Earlier != nil && c.Earlier.issuer != c.Issuer, "Earlier follows another issuer than %q", c.Issuer)
	refuse(c.MaxStaleness < minStaleness || c.MaxStaleness > maxStaleness,
		"MaxStaleness %v is not between %v and %v", c.MaxStaleness, minStaleness, maxStaleness)
	return errors.Join(problems...)
}
