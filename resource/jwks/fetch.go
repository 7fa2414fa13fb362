package jwks

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4/json"
)

const (
	fetchTimeout = 5 * time.Second
	maxBody      = 1 << 20

	// maxAge of a set whose response says nothing, and the bounds of what it may
	// say. The upper one is how long a key withdrawn in an emergency may live on.
	defaultMaxAge = 5 * time.Minute
	minMaxAge     = floor
	maxMaxAge     = time.Hour

	// metadataAge is how long the place of the set is taken for granted.
	metadataAge = time.Hour
)

// fetcher gets the set over HTTP. Its fields below client belong to the one
// fetch that runs at a time.
type fetcher struct {
	issuer      string
	metadataURL string
	client      *http.Client

	jwksURI    string
	discovered time.Time
}

func newFetcher(issuer string, client *http.Client) (fetcher, error) {
	u, ok := parseIssuer(issuer)
	if !ok {
		return fetcher{}, fmt.Errorf("jwks: Issuer %q is not an https URL without user, query and fragment", issuer)
	}
	if client == nil {
		client = &http.Client{}
	}
	c := *client
	c.Jar = nil
	// A redirect would let one open redirector at the issuer choose the keys we
	// trust. The 3xx comes back as an answer, and as such is refused.
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return fetcher{issuer: issuer, metadataURL: metadataURL(u), client: &c}, nil
}

// IsIssuer reports whether s has the form of an issuer identifier (RFC 8414 §2):
// an https URL without user, query and fragment.
func IsIssuer(s string) bool {
	_, ok := parseIssuer(s)
	return ok
}

// MetadataURL is where the metadata of an issuer is (RFC 8414 §3.1); false when s
// has not the form of an issuer identifier.
func MetadataURL(issuer string) (string, bool) {
	u, ok := parseIssuer(issuer)
	if !ok {
		return "", false
	}
	return metadataURL(u), true
}

func parseIssuer(s string) (*url.URL, bool) {
	u, err := url.Parse(s)
	return u, err == nil && secure(u) && u.RawQuery == "" && !u.ForceQuery
}

// secure reports whether keys may be fetched from u.
func secure(u *url.URL) bool {
	return u.Scheme == "https" && u.Host != "" && u.User == nil && u.Fragment == ""
}

// metadataURL inserts the well-known path between host and path of the issuer
// (RFC 8414 §3.1).
func metadataURL(issuer *url.URL) string {
	return "https://" + issuer.Host + "/.well-known/oauth-authorization-server" + strings.TrimSuffix(issuer.EscapedPath(), "/")
}

// fetch gets the set and how long it may be used without asking again.
func (f *fetcher) fetch(now time.Time, rediscover bool) (Set, time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	if rediscover || f.jwksURI == "" || now.Sub(f.discovered) >= metadataAge {
		uri, err := f.discover(ctx)
		if err != nil {
			return nil, 0, err
		}
		f.jwksURI, f.discovered = uri, now
	}
	body, header, err := f.get(ctx, f.jwksURI)
	if err != nil {
		return nil, 0, err
	}
	set, err := Parse(body)
	return set, maxAge(header), err
}

// discover reads jwks_uri from the issuer's metadata. The metadata must be the
// issuer's own: its issuer member is compared octet for octet (RFC 8414 §3.3).
func (f *fetcher) discover(ctx context.Context) (string, error) {
	body, _, err := f.get(ctx, f.metadataURL)
	if err != nil {
		return "", err
	}
	var metadata struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(body, &metadata); err != nil {
		return "", fmt.Errorf("jwks: metadata of %s: %w", f.issuer, err)
	}
	if metadata.Issuer != f.issuer {
		return "", fmt.Errorf("jwks: metadata at %s is of issuer %q, not of %q", f.metadataURL, metadata.Issuer, f.issuer)
	}
	if u, err := url.Parse(metadata.JWKSURI); err != nil || !secure(u) {
		return "", fmt.Errorf("jwks: jwks_uri %q of %s is not an https URL", metadata.JWKSURI, f.issuer)
	}
	return metadata.JWKSURI, nil
}

// get reads one document of bounded size.
func (f *fetcher) get(ctx context.Context, address string) ([]byte, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("jwks: %w", err)
	}
	req.Header.Set("Accept", "application/json, application/jwk-set+json")
	req.Close = true // the next fetch is minutes away; leave no idle connection behind
	resp, err := f.client.Do(req)
	if err != nil {
		return nil, nil, fmt.Errorf("jwks: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // nothing is lost by a failing close
	if resp.StatusCode != http.StatusOK {    // a redirect too
		return nil, nil, fmt.Errorf("jwks: %s answered %d instead of 200", address, resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return nil, nil, fmt.Errorf("jwks: reading %s: %w", address, err)
	}
	if len(body) > maxBody {
		return nil, nil, fmt.Errorf("jwks: %s answered more than %d octets", address, maxBody)
	}
	return body, resp.Header, nil
}

// maxAge reads Cache-Control (RFC 9111 §5.2.2) within our bounds.
func maxAge(h http.Header) time.Duration {
	age := defaultMaxAge
	for directive := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-store", "no-cache":
			return minMaxAge
		case "max-age":
			seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31)
			if err == nil {
				age = time.Duration(seconds) * time.Second
			}
		}
	}
	return max(minMaxAge, min(age, maxMaxAge))
}
