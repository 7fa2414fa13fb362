package folder

import (
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/certbound/certbound/keys/ca"
)

// Sign issues a client certificate for the key of a request that ca.ParseRequest
// accepted, with the names of p. It is on record before it is returned.
func (f *Folder) Sign(issuer string, lock *Lock, request *x509.CertificateRequest, p ca.ClientProfile, now time.Time) (*x509.Certificate, error) {
	if issuer == RootName {
		return nil, errors.New("folder: the root signs intermediates only")
	}
	a, err := f.Issuer(issuer, lock)
	if err != nil {
		return nil, err
	}
	cert, err := a.IssueClient(request.PublicKey, p)
	if err != nil {
		return nil, err
	}
	f.state.add(issuer, cert, now)
	return cert, f.save()
}

// reasons are the CRLReasons one may give, RFC 5280 §5.3.1. certificateHold is
// missing: what was taken back stays so.
var reasons = map[string]int{
	"unspecified": 0, "keyCompromise": 1, "cACompromise": 2, "affiliationChanged": 3,
	"superseded": 4, "cessationOfOperation": 5, "privilegeWithdrawn": 9,
}

// Reasons are the names of the reasons for a revocation.
func Reasons() []string { return slices.Sorted(maps.Keys(reasons)) }

// ErrUnknown: no certificate that was signed here has this serial number.
var ErrUnknown = errors.New("folder: no certificate with this serial number was signed here")

// Revoke takes a certificate back, by its serial number in hex. The next CRL says
// so. Revoking it again changes nothing.
func (f *Folder) Revoke(serial, reason string, now time.Time) (Entry, error) {
	if _, ok := reasons[reason]; !ok {
		return Entry{}, fmt.Errorf("folder: the reason %q is not one of %s", reason, strings.Join(Reasons(), ", "))
	}
	number, ok := new(big.Int).SetString(strings.ReplaceAll(serial, ":", ""), 16)
	if !ok {
		return Entry{}, fmt.Errorf("folder: the serial number %.80q is not hex", serial)
	}
	for _, e := range f.state.Certificates {
		if e.Serial != number.Text(16) {
			continue
		}
		if e.RevokedAt != nil {
			return *e, nil
		}
		at := now.UTC().Truncate(time.Second)
		e.RevokedAt, e.Reason = &at, reason
		return *e, f.save()
	}
	return Entry{}, ErrUnknown
}

// CRL signs the list of an issuer's revoked certificates, in PEM. A certificate
// leaves it only when it has expired, and not before one list after that said so
// (RFC 5280 §3.3).
func (f *Folder) CRL(issuer string, lock *Lock, lifetime time.Duration, now time.Time) ([]byte, error) {
	a, err := f.Issuer(issuer, lock)
	if err != nil {
		return nil, err
	}
	// Before it is signed: a number that is lost does no harm, one that is used
	// twice does.
	s := f.state.Issuers[issuer]
	s.CRLNumber++
	if err := f.save(); err != nil {
		return nil, err
	}
	var revoked []ca.Revoked
	for _, e := range f.state.Certificates {
		if e.Issuer != issuer || e.RevokedAt == nil || now.After(e.NotAfter.Add(keepExpired)) {
			continue
		}
		serial, _ := new(big.Int).SetString(e.Serial, 16) // parseState saw to it
		revoked = append(revoked, ca.Revoked{Serial: serial, At: *e.RevokedAt, Reason: reasons[e.Reason]})
	}
	return a.CRL(s.CRLNumber, revoked, now, now.Add(lifetime))
}

// keepExpired is how long a revoked certificate stays on the list after its end:
// longer than a list lasts.
const keepExpired = 90 * 24 * time.Hour
