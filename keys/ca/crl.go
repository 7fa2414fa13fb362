package ca

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"
)

// Revoked is one certificate that its issuer has taken back.
type Revoked struct {
	Serial *big.Int
	At     time.Time
	Reason int // CRLReason, RFC 5280 §5.3.1; 0 is not written
}

// CRL signs a list of revoked certificates (RFC 5280 §5), in PEM. Numbers must rise
// from list to list; a relying party believes it until next at the longest.
func (a *Authority) CRL(number int64, revoked []Revoked, now, next time.Time) ([]byte, error) {
	template := &x509.RevocationList{
		Number: big.NewInt(number), ThisUpdate: wholeSecond(now), NextUpdate: wholeSecond(next),
	}
	if !template.NextUpdate.After(template.ThisUpdate) {
		return nil, fmt.Errorf("ca: the CRL would end (%s) before it begins", template.NextUpdate.Format(time.RFC3339))
	}
	for _, r := range revoked {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries, x509.RevocationListEntry{
			SerialNumber: r.Serial, RevocationTime: wholeSecond(r.At), ReasonCode: r.Reason,
		})
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, a.Cert, a.Key)
	if err != nil {
		return nil, fmt.Errorf("ca: signing the CRL: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der}), nil
}
