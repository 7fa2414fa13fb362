package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// Request is what to fetch.
type Request struct {
	URL string
	// Plain allows http, for what is signed by itself: CRLs and OCSP.
	Plain bool
	// Accept are the media types that are taken, lower case, without parameters.
	// Required.
	Accept []string
	// MaxBytes bounds the body; 0 means DefaultMaxBytes.
	MaxBytes int64
}

// Get fetches one document. Anything but 200 with a body of an accepted type,
// within size and time, is an error. The error names no more of the answer than
// its status and type: a stranger wrote it.
func (c *Client) Get(ctx context.Context, r Request) ([]byte, error) {
	u, err := parseURL(r.URL, r.Plain)
	if err != nil {
		return nil, err
	}
	if len(r.Accept) == 0 || r.MaxBytes < 0 {
		return nil, errors.New("fetch: Request.Accept is missing, or MaxBytes is negative")
	}
	if u.Scheme == "https" && c.config.Roots == nil {
		return nil, ErrNoRoots
	}
	// Over the body too: a server may drip it.
	ctx, cancel := context.WithTimeoutCause(ctx, c.config.Timeout, fmt.Errorf("fetch: not finished within %s", c.config.Timeout))
	defer cancel()
	body, err := c.get(ctx, u.String(), r)
	if ctx.Err() != nil {
		// Without an error too: a server that hears of our leaving may end its answer
		// in good form, and what was read of it until then is not all of it.
		return nil, context.Cause(ctx)
	}
	return body, err
}

func (c *Client) get(ctx context.Context, address string, r Request) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	request.Header.Set("Accept", strings.Join(r.Accept, ", "))
	request.Header.Set("Accept-Encoding", "identity")
	request.Header.Set("User-Agent", "certbound")
	response, err := c.http.Do(request)
	if err != nil {
		return nil, failed(err)
	}
	defer func() { _ = response.Body.Close() }() // nothing is lost by a failing close
	if err := checkHeader(response, r.Accept); err != nil {
		return nil, err
	}
	return readBody(response, r.MaxBytes)
}

// failed keeps what went wrong and leaves out the method and URL that net/http
// puts before it: the caller knows them.
func failed(err error) error {
	if refused := (*AddressError)(nil); errors.As(err, &refused) {
		return refused
	}
	if inner := errors.Unwrap(err); inner != nil {
		err = inner
	}
	return fmt.Errorf("fetch: %w", err)
}

func checkHeader(response *http.Response, accept []string) error {
	switch code := response.StatusCode; {
	case code >= 300 && code < 400:
		return fmt.Errorf("fetch: the server answered %d, and no redirect is followed", code)
	case code != http.StatusOK:
		return fmt.Errorf("fetch: the server answered %d instead of 200", code)
	}
	if encoding := response.Header.Values("Content-Encoding"); len(encoding) > 0 && !strings.EqualFold(strings.Join(encoding, ","), "identity") {
		return errors.New("fetch: the answer is compressed, although that was not asked for")
	}
	types := response.Header.Values("Content-Type")
	if len(types) != 1 {
		return fmt.Errorf("fetch: the answer has %d Content-Type headers instead of one", len(types))
	}
	media, _, err := mime.ParseMediaType(types[0])
	if err != nil || !slices.Contains(accept, media) {
		return fmt.Errorf("fetch: the answer is %.80q and not %s", types[0], strings.Join(accept, " or "))
	}
	return nil
}

func readBody(response *http.Response, most int64) ([]byte, error) {
	if most == 0 {
		most = DefaultMaxBytes
	}
	tooLarge := fmt.Errorf("fetch: the answer has more than %d bytes", most)
	if response.ContentLength > most {
		return nil, tooLarge
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, most+1))
	if err != nil {
		return nil, fmt.Errorf("fetch: reading the answer: %w", err)
	}
	if int64(len(body)) > most {
		return nil, tooLarge
	}
	return body, nil
}
