package peercert

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
)

// minRSABits is the least RSA modulus of RFC 9325 §4.5.
const minRSABits = 2048

// strongSignatures lists what may have signed a certificate. It is a list of the
// good ones, so that an algorithm nobody thought of is refused.
var strongSignatures = map[x509.SignatureAlgorithm]bool{
	x509.SHA256WithRSA: true, x509.SHA384WithRSA: true, x509.SHA512WithRSA: true,
	x509.SHA256WithRSAPSS: true, x509.SHA384WithRSAPSS: true, x509.SHA512WithRSAPSS: true,
	x509.ECDSAWithSHA256: true, x509.ECDSAWithSHA384: true, x509.ECDSAWithSHA512: true,
	x509.PureEd25519: true,
}

// CheckStrength returns ErrWeak, wrapped, unless both the certificate's key and
// the algorithm it is signed with are strong.
func CheckStrength(cert *x509.Certificate) error {
	if err := CheckKey(cert.PublicKey); err != nil {
		return err
	}
	if !strongSignatures[cert.SignatureAlgorithm] {
		return fmt.Errorf("%w: it is signed with %s", ErrWeak, signatureName(cert.SignatureAlgorithm))
	}
	return nil
}

// CheckKey returns ErrWeak, wrapped, unless the key is RSA of at least 2048 bits,
// EC on P-256, P-384 or P-521, or Ed25519.
func CheckKey(pub crypto.PublicKey) error {
	switch key := pub.(type) {
	case *rsa.PublicKey:
		if key.N == nil || key.N.BitLen() < minRSABits {
			return fmt.Errorf("%w: its RSA key has %d bits, at least %d are needed", ErrWeak, rsaBits(key), minRSABits)
		}
		return nil
	case *ecdsa.PublicKey:
		return checkCurve(key.Curve)
	case ed25519.PublicKey:
		return nil
	default:
		return fmt.Errorf("%w: its key is of a kind that is not accepted (%T)", ErrWeak, pub)
	}
}

func checkCurve(curve elliptic.Curve) error {
	switch curve {
	case elliptic.P256(), elliptic.P384(), elliptic.P521():
		return nil
	case nil:
		return fmt.Errorf("%w: its EC key names no curve", ErrWeak)
	default:
		return fmt.Errorf("%w: its EC key is on %s, which is not accepted", ErrWeak, curve.Params().Name)
	}
}

func rsaBits(key *rsa.PublicKey) int {
	if key.N == nil {
		return 0
	}
	return key.N.BitLen()
}

func signatureName(alg x509.SignatureAlgorithm) string {
	switch alg {
	case x509.UnknownSignatureAlgorithm, x509.MD2WithRSA: // crypto/x509 has no name for MD2 any more
		return "an algorithm that is not known here"
	default:
		return alg.String()
	}
}
