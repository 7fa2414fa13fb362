package vectors

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"math/big"
	"time"
)

// seed is the material of everything that has this name.
func seed(name string) []byte {
	sum := sha256.Sum256([]byte("certbound test vectors: " + name))
	return sum[:]
}

// ecKey is the P-256 key of a name.
func ecKey(name string) *ecdsa.PrivateKey {
	return one(ecdsa.ParseRawPrivateKey(elliptic.P256(), seed(name)))
}

// rsaKey is the RSA key of a name. The primes are not chosen with the care that a
// key for use needs.
func rsaKey(name string, bits int) *rsa.PrivateKey {
	e, one := big.NewInt(65537), big.NewInt(1)
	p, q := prime(name+" p", bits/2, e), prime(name+" q", bits/2, e)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 65537},
		D:         new(big.Int).ModInverse(e, phi), Primes: []*big.Int{p, q},
	}
	key.Precompute()
	return key
}

// prime is the first prime from a starting point that the name gives; its two
// highest bits are set.
func prime(name string, bits int, e *big.Int) *big.Int {
	var octets []byte
	for i := uint32(0); len(octets) < bits/8; i++ {
		octets = append(octets, seed(name+string(binary.BigEndian.AppendUint32(nil, i)))...)
	}
	octets = octets[:bits/8]
	octets[0] |= 0xc0
	octets[len(octets)-1] |= 1
	p, two := new(big.Int).SetBytes(octets), big.NewInt(2)
	for !p.ProbablyPrime(32) || new(big.Int).Mod(new(big.Int).Sub(p, big.NewInt(1)), e).Sign() == 0 {
		p.Add(p, two)
	}
	return p
}

// Certificate is a client certificate and its key.
type Certificate struct {
	Name    string `json:"name"`
	Comment string `json:"comment"`
	PEM     string `json:"certificate_pem"`
	KeyPEM  string `json:"key_pem"`
	raw     *x509.Certificate
}

// The years in which certificates of the vectors are valid, unless they are not.
var (
	validFrom = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	validTo   = time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC)
)

// authority signs the clients' certificates.
var authority = func() *x509.Certificate {
	key := ecKey("authority")
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "vectors authority"}, NotBefore: validFrom, NotAfter: validTo,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	return sign(template, template, key.Public(), key)
}()

// sign makes a certificate; without randomness its signature is deterministic.
func sign(template, parent *x509.Certificate, public crypto.PublicKey, by *ecdsa.PrivateKey) *x509.Certificate {
	return one(x509.ParseCertificate(one(x509.CreateCertificate(nil, template, parent, public, by))))
}

// mint makes a client certificate that change may make differ.
func mint(name, comment string, key crypto.Signer, change func(*x509.Certificate)) Certificate {
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(seed("serial " + name)[:8]), Subject: pkix.Name{Organization: []string{"Vectors"}, CommonName: "client"},
		NotBefore: validFrom, NotAfter: validTo, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	change(template)
	cert := sign(template, authority, key.Public(), ecKey("authority"))
	return Certificate{
		Name: name, Comment: comment, raw: cert, PEM: encodePEM("CERTIFICATE", cert.Raw),
		KeyPEM: encodePEM("PRIVATE KEY", one(x509.MarshalPKCS8PrivateKey(key))),
	}
}

func encodePEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// x5t is the thumbprint of RFC 8705 §3.1 of any octets.
func x5t(octets []byte) string {
	sum := sha256.Sum256(octets)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func unchanged(*x509.Certificate) {}
