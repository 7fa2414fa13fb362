package selftest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"time"
)

// forgery holds certificates that look like the client's and are nobody's.
type forgery struct {
	namesake  *tls.Certificate // same names, by an authority of the same name with another key
	alone     *tls.Certificate // the same without that authority
	v1        *tls.Certificate // without extensions
	expired   *tls.Certificate
	authority *tls.Certificate // says CA:TRUE
	self      *tls.Certificate // signed by its own key
	byClient  *tls.Certificate // signed by the client's own key, which is no authority's
}

// forge makes them in memory, for this run only.
func forge(client tls.Certificate, now time.Time) (*forgery, error) {
	leaf, err := x509.ParseCertificate(client.Certificate[0])
	if err != nil {
		return nil, fmt.Errorf("selftest: the client's certificate: %w", err)
	}
	f := forger{leaf: leaf, now: now, clientKey: client.PrivateKey.(crypto.Signer)}
	out := &forgery{}
	if err := f.issuer(); err != nil {
		return nil, err
	}
	for _, one := range []struct {
		into   **tls.Certificate
		change func(*x509.Certificate)
		by     signer
	}{
		{&out.namesake, func(*x509.Certificate) {}, f.ca},
		{&out.expired, func(c *x509.Certificate) { c.NotBefore, c.NotAfter = now.AddDate(-1, 0, 0), now.AddDate(0, 0, -1) }, f.ca},
		{&out.authority, func(c *x509.Certificate) { c.IsCA = true }, f.ca},
		{&out.self, func(*x509.Certificate) {}, signer{}},
		{&out.byClient, func(*x509.Certificate) {}, signer{leaf, f.clientKey}},
	} {
		if *one.into, err = f.mint(one.change, one.by); err != nil {
			return nil, err
		}
	}
	out.alone = &tls.Certificate{Certificate: out.namesake.Certificate[:1], PrivateKey: out.namesake.PrivateKey}
	out.v1, err = f.version1(out.namesake)
	return out, err
}

type signer struct {
	cert *x509.Certificate
	key  crypto.Signer
}

type forger struct {
	leaf      *x509.Certificate
	now       time.Time
	clientKey crypto.Signer
	ca        signer
}

// issuer makes an authority with the name of the client's issuer.
func (f *forger) issuer() error {
	key, err := newKey()
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: serial(), RawSubject: f.leaf.RawIssuer, NotBefore: f.now.Add(-time.Hour), NotAfter: f.now.AddDate(0, 0, 1),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, SubjectKeyId: f.leaf.AuthorityKeyId,
	}
	f.ca.key = key
	f.ca.cert, _, err = create(template, template, key, key)
	return err
}

// mint makes a certificate with the client's names; without a signer it signs
// itself.
func (f *forger) mint(change func(*x509.Certificate), by signer) (*tls.Certificate, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: f.leaf.SerialNumber, RawSubject: f.leaf.RawSubject, ExtraExtensions: names(f.leaf),
		NotBefore: f.now.Add(-time.Hour), NotAfter: f.now.AddDate(0, 0, 1), BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		SubjectKeyId: f.leaf.SubjectKeyId,
	}
	change(template)
	parent, signedBy := template, crypto.Signer(key)
	if by.cert != nil {
		parent, signedBy = by.cert, by.key
	}
	cert, der, err := create(template, parent, key, signedBy)
	if err != nil {
		return nil, err
	}
	pair := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: cert}
	if by.cert != nil {
		pair.Certificate = append(pair.Certificate, by.cert.Raw)
	}
	return pair, nil
}

// names is the client's subject alternative name, octet by octet.
func names(leaf *x509.Certificate) []pkix.Extension {
	for _, extension := range leaf.Extensions {
		if extension.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 17}) {
			return []pkix.Extension{extension}
		}
	}
	return nil
}

// version1 takes a certificate apart and signs it again as v1, which crypto/x509
// rightly does not write.
func (f *forger) version1(good *tls.Certificate) (*tls.Certificate, error) {
	var tbs struct {
		Version    int `asn1:"optional,explicit,default:0,tag:0"`
		Serial     *big.Int
		Algorithm  pkix.AlgorithmIdentifier
		Issuer     asn1.RawValue
		Validity   asn1.RawValue
		Subject    asn1.RawValue
		PublicKey  asn1.RawValue
		Extensions []pkix.Extension `asn1:"omitempty,optional,explicit,tag:3"`
	}
	if _, err := asn1.Unmarshal(good.Leaf.RawTBSCertificate, &tbs); err != nil {
		return nil, fmt.Errorf("selftest: %w", err)
	}
	tbs.Version, tbs.Extensions = 0, nil
	data, err := asn1.Marshal(tbs)
	if err != nil {
		return nil, fmt.Errorf("selftest: %w", err)
	}
	digest := sha256.Sum256(data) // as the algorithm of the good one says: the authority's key is P-256
	signature, err := f.ca.key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("selftest: %w", err)
	}
	der, err := asn1.Marshal(struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}{asn1.RawValue{FullBytes: data}, tbs.Algorithm, asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}})
	if err != nil {
		return nil, fmt.Errorf("selftest: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der, f.ca.cert.Raw}, PrivateKey: good.PrivateKey}, nil
}

func create(template, parent *x509.Certificate, key, by crypto.Signer) (*x509.Certificate, []byte, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	if err != nil {
		return nil, nil, fmt.Errorf("selftest: making a certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, fmt.Errorf("selftest: making a certificate: %w", err)
	}
	return cert, der, nil
}

func newKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("selftest: %w", err)
	}
	return key, nil
}

func serial() *big.Int {
	return new(big.Int).SetBytes(append([]byte{1}, bytes.Repeat([]byte{0x5e}, 8)...))
}
