package trust

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Limits of MaxDepth.
const (
	defaultDepth = 5
	mostDepth    = 10
)

// Spec is what an administrator registers.
type Spec struct {
	Name    string // required
	Version int64  // starts at 1

	Anchors       []byte // PEM, required: the authorities that are trusted; an issuing CA may be one
	Intermediates []byte // PEM: help to find a path, trusted for nothing
	Issuers       []byte // PEM: when not empty, one of these must have signed the leaf

	MaxDepth         int  // most intermediates between leaf and anchor, 1 to 10; 0 means 5
	AllowPublicRoots bool // MUST NOT be set unless any holder of a public certificate may be a client
}

// Bundle is one version of a named set of trust anchors. Its rules never change; it is
// safe for concurrent use.
type Bundle struct {
	name     string
	version  int64
	text     string // "name@version", which every token's record says
	maxDepth int

	anchors, intermediates, issuers []*x509.Certificate

	roots   *x509.CertPool // of anchors
	helpers *x509.CertPool // of intermediates and issuers
	// bySubject holds all of them, anchors first, by raw subject.
	bySubject map[string][]*x509.Certificate
	verdicts  *verdicts
	// others is set by NewSet: the authorities of all bundles in the set.
	others neighbours
}

// New checks a bundle that is being registered and makes it. Every certificate
// must be an authority (CA:TRUE, keyCertSign where key usage is present) with a
// strong key, not expired, and not there twice; an anchor must not be one the
// public trusts. The error lists every problem found, each with the bundle, the
// field, and the certificate's index and subject.
func New(s Spec, now time.Time) (*Bundle, error) {
	b, err := Load(s)
	if err != nil {
		return nil, err
	}
	problems := b.outdated(now)
	if !s.AllowPublicRoots {
		problems = append(problems, b.publicAnchors(mozillaAndSystem(), now)...)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return b, nil
}

// Load makes a bundle that passed New when it was registered. It repeats the
// checks whose outcome cannot change with time: an authority that has expired
// since must not keep the server from starting, and Verify refuses it anyway.
func Load(s Spec) (*Bundle, error) {
	b := &Bundle{name: s.Name, version: s.Version, text: fmt.Sprintf("%s@%d", s.Name, s.Version), maxDepth: s.MaxDepth}
	if err := b.setLimits(); err != nil {
		return nil, err
	}
	var problems []error
	for _, f := range []struct {
		name  string
		data  []byte
		certs *[]*x509.Certificate
	}{
		{fieldAnchors, s.Anchors, &b.anchors},
		{fieldIntermediates, s.Intermediates, &b.intermediates},
		{fieldIssuers, s.Issuers, &b.issuers},
	} {
		certs, err := decodePEM(f.data)
		if err != nil {
			problems = append(problems, fmt.Errorf("trust: bundle %s: %s: %w", s.Name, f.name, err))
			continue
		}
		if f.name == fieldAnchors && len(certs) == 0 {
			problems = append(problems, fmt.Errorf("trust: bundle %s: %s: there is no certificate", s.Name, f.name))
		}
		*f.certs = certs
	}
	problems = append(problems, b.unfit()...)
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	b.index()
	return b, nil
}

func (b *Bundle) setLimits() error {
	switch {
	case b.name == "":
		return errors.New("trust: a bundle needs a name")
	case b.version < 1:
		return fmt.Errorf("trust: bundle %s: version %d: versions begin at 1", b.name, b.version)
	case b.maxDepth < 0 || b.maxDepth > mostDepth:
		return fmt.Errorf("trust: bundle %s: max_depth %d is not between 1 and %d, or 0 for %d", b.name, b.maxDepth, mostDepth, defaultDepth)
	case b.maxDepth == 0:
		b.maxDepth = defaultDepth
	}
	return nil
}

func (b *Bundle) index() {
	b.roots, b.helpers = x509.NewCertPool(), x509.NewCertPool()
	b.bySubject, b.verdicts = make(map[string][]*x509.Certificate), newVerdicts()
	for _, cert := range b.anchors {
		b.roots.AddCert(cert)
	}
	for _, cert := range append(b.intermediates[:len(b.intermediates):len(b.intermediates)], b.issuers...) {
		b.helpers.AddCert(cert)
	}
	for _, p := range b.places() {
		subject := string(p.cert.RawSubject)
		b.bySubject[subject] = append(b.bySubject[subject], p.cert)
	}
}

// Anchors returns the authorities that are trusted, as Spec lists them.
func (b *Bundle) Anchors() []*x509.Certificate { return slices.Clone(b.anchors) }

// Intermediates returns what only helps to find a path, as Spec lists them.
func (b *Bundle) Intermediates() []*x509.Certificate { return slices.Clone(b.intermediates) }

// Issuers returns those of which one must have signed the leaf; none when any may.
func (b *Bundle) Issuers() []*x509.Certificate { return slices.Clone(b.issuers) }

// Name returns the bundle's name, which clients are pinned to.
func (b *Bundle) Name() string { return b.name }

// Version returns the version within the name.
func (b *Bundle) Version() int64 { return b.version }

// AnchorsUntil returns the earliest end of an anchor's validity: from then on some
// of the bundle's clients are refused.
func (b *Bundle) AnchorsUntil() time.Time {
	earliest := b.anchors[0].NotAfter // there is at least one
	for _, anchor := range b.anchors[1:] {
		if anchor.NotAfter.Before(earliest) {
			earliest = anchor.NotAfter
		}
	}
	return earliest.UTC()
}

// String returns name and version, "partners@3".
func (b *Bundle) String() string { return b.text }
