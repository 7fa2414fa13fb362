package explain

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // to recognise it where SHA-256 was due
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"strings"
)

// known is a certificate at hand, under the name it is spoken of.
type known struct {
	name string
	cert *x509.Certificate
}

// digest is something that gets computed instead of a thumbprint.
type digest struct {
	what  string
	right bool // what RFC 8705 §3.1 asks for
	sum   []byte
}

// digests lists what is taken for the thumbprint of a certificate.
func digests(cert *x509.Certificate) []digest {
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
	crlf := bytes.ReplaceAll(block, []byte("\n"), []byte("\r\n"))
	text := base64.StdEncoding.EncodeToString(cert.Raw)
	body := bytes.Join(bytes.Split(bytes.TrimSpace(block), []byte("\n"))[1:], []byte("\n"))
	body = body[:max(0, bytes.LastIndexByte(body, '\n'))] // the lines between BEGIN and END
	all := []digest{{"the SHA-256", true, sum256(cert.Raw)}, {"the SHA-1", false, sum1(cert.Raw)}}
	for _, one := range []struct {
		what string
		data []byte
	}{
		{"the PEM text", block}, {"the PEM text", bytes.TrimSpace(block)}, {"the PEM text", crlf}, {"the PEM text", bytes.TrimSpace(crlf)},
		{"the base64 text", []byte(text)}, {"the base64 text", body}, {"the base64 text", append(bytes.Clone(body), '\n')},
		{"the public key (SPKI)", cert.RawSubjectPublicKeyInfo}, {"the signed part (TBSCertificate)", cert.RawTBSCertificate},
	} {
		all = append(all, digest{"the SHA-256 of " + one.what, false, sum256(one.data)}, digest{"the SHA-1 of " + one.what, false, sum1(one.data)})
	}
	return all
}

func sum256(data []byte) []byte {
	sum := sha256.Sum256(data)
	return sum[:]
}

func sum1(data []byte) []byte {
	sum := sha1.Sum(data) //nolint:gosec // see above
	return sum[:]
}

// reading is one way to read the text of a thumbprint.
type reading struct {
	encoding string
	right    bool // unpadded base64url
	octets   []byte
}

// readings decodes the text in every way that might have made it.
func readings(text string) (all []reading) {
	digits := strings.NewReplacer(":", "", " ", "", "-", "").Replace(text)
	if octets, err := hex.DecodeString(digits); err == nil && len(octets) > 0 {
		name := "hex"
		if digits != text {
			name = "hex with separators"
		}
		all = append(all, reading{name, false, octets})
	}
	for _, one := range []struct {
		name     string
		right    bool
		encoding *base64.Encoding
	}{
		{"base64url", true, base64.RawURLEncoding}, {"base64url with padding", false, base64.URLEncoding},
		{"base64 in the standard alphabet", false, base64.RawStdEncoding}, {"base64 in the standard alphabet with padding", false, base64.StdEncoding},
	} {
		octets, err := one.encoding.DecodeString(text)
		if err != nil {
			continue
		}
		all = append(all, reading{one.name, one.right, octets})
		if inner, err := hex.DecodeString(strings.ReplaceAll(string(octets), ":", "")); err == nil && len(inner) > 0 {
			all = append(all, reading{one.name + " of the hex digits", false, inner})
		}
	}
	return all
}

// match says which certificate a thumbprint is of, and how it came about.
type match struct {
	of       known
	digest   digest
	encoding reading
}

// identify looks for the certificate, the digest and the encoding that give text.
func identify(text string, certs []known) (match, bool) {
	all := readings(text)
	for _, of := range certs {
		for _, d := range digests(of.cert) {
			for _, r := range all {
				if bytes.Equal(d.sum, r.octets) {
					return match{of, d, r}, true
				}
			}
		}
	}
	return match{}, false
}

// describe says what the text is when it is not what it has to be.
func (m match) describe() string {
	text := m.digest.what + " of " + m.of.name
	if strings.Contains(m.digest.what, " of ") {
		text = m.digest.what + " in " + m.of.name
	}
	if !m.encoding.right {
		text += ", written in " + m.encoding.encoding
	}
	return text
}
