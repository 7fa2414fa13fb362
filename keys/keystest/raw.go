package keystest

import (
	"crypto"
	_ "crypto/md5" // for certificates signed with it
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"time"
)

// rawCert is the ASN.1 of RFC 5280 §4.1, for the few certificates crypto/x509
// rightly refuses to write. encoding/asn1 does the reading and writing.
type rawCert struct {
	TBS  rawTBS
	hash crypto.Hash
}

type rawTBS struct {
	Version    int `asn1:"optional,explicit,default:0,tag:0"`
	Serial     *big.Int
	Algorithm  pkix.AlgorithmIdentifier
	Issuer     asn1.RawValue
	Validity   struct{ NotBefore, NotAfter time.Time }
	Subject    asn1.RawValue
	PublicKey  asn1.RawValue
	Extensions []pkix.Extension `asn1:"omitempty,optional,explicit,tag:3"`
}

// resign takes a good certificate apart, lets change spoil it and signs again,
// with SHA-256 unless change says otherwise: the issuer's key is RSA or P-256.
func resign(der []byte, signer crypto.Signer, change func(*rawCert)) ([]byte, error) {
	good, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	raw := rawCert{hash: crypto.SHA256}
	if _, err := asn1.Unmarshal(good.RawTBSCertificate, &raw.TBS); err != nil {
		return nil, err
	}
	change(&raw)
	tbs, err := asn1.Marshal(raw.TBS)
	if err != nil {
		return nil, err
	}
	h := raw.hash.New()
	h.Write(tbs)
	signature, err := signer.Sign(rand.Reader, h.Sum(nil), raw.hash)
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}{asn1.RawValue{FullBytes: tbs}, raw.TBS.Algorithm, asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}})
}
