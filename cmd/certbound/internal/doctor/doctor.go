package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/cmd/certbound/internal/process"
)

// Config says what to examine.
type Config struct {
	File    string
	Environ []string         // "NAME=value"
	Roots   *x509.CertPool   // of the issuer's server certificate, for an authorization server; nil means the system's
	Clock   func() time.Time // default time.Now
}

// Bounds of what is asked of others.
const (
	askTimeout = 10 * time.Second
	maxAnswer  = 1 << 20 // bytes
)

// examination is one run.
type examination struct {
	Config
	Report
	source *config.Source
}

// Run examines the installation that a configuration file describes. An error
// means that there is no such file.
func Run(ctx context.Context, c Config) (*Report, error) {
	if c.Clock == nil {
		c.Clock = time.Now
	}
	which, err := config.Detect(c.File)
	if err != nil {
		return nil, err
	}
	e := &examination{Config: c}
	if which == config.ProxyProcess {
		e.proxy(ctx)
	} else {
		e.serve(ctx)
	}
	return &e.Report, nil
}

func (e *examination) serve(ctx context.Context) {
	c, loaded, err := config.LoadServe(e.File, e.Environ)
	if err == nil {
		err = process.CheckAuthz(c, quiet())
	}
	if e.configuration(config.ServeProcess, loaded, err); c.Source == nil {
		return
	}
	e.source = c.Source
	e.serverCertificate(c.TLS, c.Issuer, e.Roots)
	e.keyFile("tls.key", c.TLS.Key)
	for _, kek := range c.Keys.KEKs {
		e.keyFile("keys.keks", kek.File)
	}
	e.database(ctx, c)
	e.issuer(ctx, c.Issuer, e.Roots)
}

func (e *examination) proxy(ctx context.Context) {
	c, loaded, err := config.LoadProxy(e.File, e.Environ)
	if err == nil {
		err = process.CheckProxy(c, process.Options{Logger: quiet(), Clock: e.Clock})
	}
	if e.configuration(config.ProxyProcess, loaded, err); c.Source == nil {
		return
	}
	e.source = c.Source
	e.serverCertificate(c.TLS, "", nil)
	e.keyFile("tls.key", c.TLS.Key)
	e.bundle("issuer_ca", c.IssuerCA)
	e.bundle("upstream_ca", c.UpstreamCA)
	e.keyFile("revocations.key", c.Revocations.Key)
	e.clientCertificate("revocations.certificate", c.Revocations.Certificate)
	roots, rootsErr := config.ReadRoots(c.IssuerCA)
	if rootsErr == nil { // else the configuration has said so
		e.issuer(ctx, c.Issuer, roots)
		e.feed(ctx, c, roots)
	}
	e.upstreams(ctx, c)
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// configuration reports what is wrong with the file and those it names, each
// problem by itself.
func (e *examination) configuration(which config.Process, loaded config.Loaded, err error) {
	for _, name := range loaded.Unused {
		e.add(Finding{Warning, "configuration", name + " is no setting and was ignored", "a misspelt variable changes nothing", "correct its name, or unset it"})
	}
	if err == nil {
		e.ok("configuration", "%s: a valid configuration of certbound %s", e.File, which)
		return
	}
	for _, one := range split(err) {
		e.add(Finding{Problem, "configuration", one.Error(), "certbound " + string(which) + " does not start, or keeps its old configuration", "correct the line that is named"})
	}
}

// split takes a joined error apart.
func split(err error) []error {
	var many interface{ Unwrap() []error }
	if !errors.As(err, &many) || strings.Count(err.Error(), "\n") == 0 {
		return []error{err}
	}
	var all []error
	for _, one := range many.Unwrap() {
		all = append(all, split(one)...)
	}
	return all
}
