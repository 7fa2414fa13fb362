package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/certbound/certbound/cmd/certbound/internal/config"
)

// Probe is what a process is asked.
type Probe string

// The probes: whether it can do its work, and whether it answers at all.
const (
	Ready Probe = "ready"
	Live  Probe = "live"
)

// Config says whom to ask, and what.
type Config struct {
	File    string
	Environ []string // "NAME=value", as the process has it
	Probe   Probe
	Timeout time.Duration // of everything together; positive
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 64 << 10

// Report is what came of it.
type Report struct {
	Process  config.Process `json:"process"`
	Probe    Probe          `json:"probe"`
	Listener string         `json:"listener"` // "ops", or "authz" or "proxy" where there is none
	URL      string         `json:"url"`
	Healthy  bool           `json:"healthy"`
	Status   int            `json:"status,omitempty"` // of the answer; 0: there was none
	Reason   string         `json:"reason,omitempty"` // why it is not healthy
	Checks   []Check        `json:"checks,omitempty"` // what the ops listener lists
	// Outdated says that the configuration file is not valid any more, so that the
	// process may still run by what it read before.
	Outdated bool `json:"configuration_invalid,omitempty"`
}

// Run asks once. An error means that there is nobody to ask: the configuration does
// not say where. That nobody answers is in the report.
func Run(ctx context.Context, c Config) (*Report, error) {
	target, outdated, err := find(c)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	report := &Report{Process: target.process, Probe: c.Probe, Listener: target.listener, URL: target.url, Outdated: outdated}
	status, body, err := target.ask(ctx)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		report.Reason = fmt.Sprintf("no answer within %s", c.Timeout)
	case err != nil:
		report.Reason = inner(target.pin.explain(err)).Error()
	default:
		report.Status = status
		target.judge(report, body)
	}
	return report, nil
}

// ask makes one GET on a connection of its own.
func (t *target) ask(ctx context.Context) (status int, body []byte, err error) {
	transport := &http.Transport{ // no proxy of the environment: it is this machine
		DialContext: t.dial, TLSClientConfig: t.tls, DisableKeepAlives: true,
		MaxResponseHeaderBytes: maxAnswer,
	}
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url, nil)
	if err != nil {
		return 0, nil, err
	}
	resp, err := client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }() // read below; nothing is lost
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return resp.StatusCode, body, err
}

// inner leaves out the method and the address that a url.Error repeats.
func inner(err error) error {
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
