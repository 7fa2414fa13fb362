package enroll

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/certbound/certbound/keys"
	"github.com/certbound/certbound/keys/ca"
	"github.com/certbound/certbound/keys/trust"
	"github.com/certbound/certbound/storage"
)

// Where an issuer's envelope belongs (design rule 17).
const (
	sealedTable   = "enrollment_issuers"
	sealedPurpose = "enrollment"
)

// Issuer is an intermediate that is online.
type Issuer struct {
	Authority *ca.Authority
	Chain     []*x509.Certificate // the intermediate, then what leads on to the anchor
}

// NewIssuer checks that the first certificate of a PEM chain is fit to sign online
// for a trust bundle, and that key is its key: a CA that can make no other CA, held
// to the names it may sign, and believed by the bundle.
func NewIssuer(chainPEM []byte, key crypto.Signer, bundle *trust.Bundle, now time.Time) (*Issuer, error) {
	chain, err := parseChain(chainPEM)
	if err != nil {
		return nil, err
	}
	cert := chain[0]
	public, ok := cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	switch {
	case !ok || !public.Equal(key.Public()):
		return nil, errors.New("enroll: the key is not that of the first certificate")
	case !cert.IsCA || !cert.BasicConstraintsValid || cert.KeyUsage&x509.KeyUsageCertSign == 0:
		return nil, errors.New("enroll: the first certificate is not that of a CA")
	case cert.MaxPathLen != 0 || !cert.MaxPathLenZero:
		return nil, errors.New("enroll: an online CA must have path length 0, so that it can make no other CA")
	case cert.CheckSignatureFrom(cert) == nil:
		return nil, errors.New("enroll: this is a root; a root never goes online")
	case len(cert.PermittedDNSDomains) == 0 || len(cert.PermittedURIDomains) == 0 || !cert.PermittedDNSDomainsCritical:
		return nil, errors.New("enroll: an online CA must have critical name constraints on DNS names and URIs")
	case now.After(cert.NotAfter):
		return nil, errors.New("enroll: the CA's certificate has expired")
	}
	i := &Issuer{&ca.Authority{Cert: cert, Key: key}, chain}
	return i, i.accepted(bundle, now)
}

// accepted lets the issuer sign something for its own domain, and asks the bundle:
// what it would refuse from a client shall never be handed out.
func (i *Issuer) accepted(bundle *trust.Bundle, now time.Time) error {
	probe, err := ca.NewKey(ca.DefaultKeyKind)
	if err != nil {
		return err
	}
	leaf, err := i.Authority.IssueClient(probe.Public(), ca.ClientProfile{
		Subject: pkix.Name{CommonName: "probe"}, DNSNames: i.Authority.Cert.PermittedDNSDomains[:1],
		NotBefore: now, NotAfter: now.Add(time.Minute),
	})
	if err != nil {
		return fmt.Errorf("enroll: the CA cannot sign: %w", err)
	}
	if err := bundle.Verify(leaf, i.Chain, now); err != nil {
		return fmt.Errorf("enroll: trust bundle %s refuses what this CA signs: %w", bundle, err)
	}
	return nil
}

const maxChain = 8

func parseChain(text []byte) (chain []*x509.Certificate, err error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" || len(chain) == maxChain {
			return nil, fmt.Errorf("enroll: the chain must be at most %d certificates in PEM and nothing else", maxChain)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("enroll: the chain: %w", err)
		}
		chain = append(chain, cert)
	}
	if len(chain) == 0 {
		return nil, errors.New("enroll: the chain holds no certificate in PEM")
	}
	return chain, nil
}

// Seal is the record of an issuer, its key in an envelope.
func (i *Issuer) Seal(sealer *keys.Sealer, bundle string, now time.Time) (storage.EnrollmentIssuer, error) {
	kekID, sealed, err := sealer.SealKey(i.Authority.Key, sealedTable, bundle, sealedPurpose)
	return storage.EnrollmentIssuer{
		TrustBundle: bundle, ChainPEM: string(ca.EncodeCertificates(i.Chain...)), KEKID: kekID, Sealed: sealed, CreatedAt: now,
	}, err
}

// Chain is the certificate of a record's issuer, and what leads on to the anchor.
func Chain(record storage.EnrollmentIssuer) ([]*x509.Certificate, error) {
	return parseChain([]byte(record.ChainPEM))
}

// open is the issuer of a record.
func open(sealer *keys.Sealer, record storage.EnrollmentIssuer) (*Issuer, error) {
	chain, err := Chain(record)
	if err != nil {
		return nil, err
	}
	key, err := sealer.OpenKey(record.KEKID, record.Sealed, sealedTable, record.TrustBundle, sealedPurpose)
	if err != nil {
		return nil, err
	}
	return &Issuer{&ca.Authority{Cert: chain[0], Key: key}, chain}, nil
}

// Reseal opens every issuer, and seals anew what was sealed with another
// key-encryption key than the active one. An error is about a key-encryption key
// that is missing or wrong.
func Reseal(ctx context.Context, store storage.Store, sealer *keys.Sealer) error {
	records, err := store.EnrollmentIssuers(ctx)
	if err != nil {
		return err
	}
	for _, record := range records {
		issuer, err := open(sealer, record)
		if err != nil {
			return fmt.Errorf("enroll: the issuer of trust bundle %s: %w", record.TrustBundle, err)
		}
		if record.KEKID == sealer.Active() {
			continue
		}
		sealed, err := issuer.Seal(sealer, record.TrustBundle, record.CreatedAt)
		if err != nil {
			return err
		}
		err = store.Update(ctx, func(tx storage.Tx) error {
			now, err := tx.EnrollmentIssuer(ctx, record.TrustBundle)
			if err != nil || now.KEKID != record.KEKID || now.ChainPEM != record.ChainPEM {
				return err // somebody was faster, or replaced it
			}
			return tx.PutEnrollmentIssuer(ctx, sealed)
		})
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return err
		}
	}
	return nil
}

// backdated is how long before now a certificate begins, for peers whose clock is
// behind.
const backdated = time.Minute

// maxCommonName is the upper bound of RFC 5280 appendix A.1.
const maxCommonName = 64

// profile is what a client's certificate says.
func profile(clientID string, kind storage.MatcherKind, san string, notAfter, now time.Time) (ca.ClientProfile, error) {
	p := ca.ClientProfile{NotBefore: now.Add(-backdated), NotAfter: notAfter}
	if len(clientID) <= maxCommonName { // for people; the name that counts is the SAN
		p.Subject.CommonName = clientID
	}
	// An id is chosen by whoever registers the client, so it alone would be a whole DN of
	// somebody's choice, and a certificate for another client that is known by that DN.
	p.Subject.SerialNumber = rand.Text()
	switch kind {
	case storage.SANDNS:
		p.DNSNames = []string{san}
	case storage.SANURI:
		u, err := url.Parse(san)
		if err != nil || u.String() != san {
			return p, fmt.Errorf("enroll: the URI %q does not survive being parsed", san)
		}
		p.URIs = []*url.URL{u}
	default:
		return p, ErrNoSAN
	}
	return p, nil
}
