package vectors

import (
	"crypto/sha1" //nolint:gosec // what others compute
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// strict takes one spelling only.
var strict = base64.RawURLEncoding.Strict()

// ThumbprintFile is thumbprints.json.
type ThumbprintFile struct {
	Format       string                  `json:"format"`
	Description  string                  `json:"description"`
	Certificates []CertificateThumbprint `json:"certificates"`
	Texts        []ThumbprintText        `json:"texts"`
}

// CertificateThumbprint is the confirmation of a certificate.
type CertificateThumbprint struct {
	PEM        string `json:"certificate_pem"`
	Thumbprint string `json:"x5t#S256"`
}

// ThumbprintText is a text that may stand for x5t#S256, or may not.
type ThumbprintText struct {
	ID      string `json:"id"`
	Text    string `json:"text"`
	Verdict string `json:"verdict"` // accept or refuse
}

func thumbprints() *ThumbprintFile {
	f := &ThumbprintFile{Format: Format, Description: "The x5t#S256 of certificates (RFC 8705 §3.1: base64url without padding of the SHA-256 of the DER), and texts that are one or are not."}
	for _, c := range newWorld("").all() {
		f.Certificates = append(f.Certificates, CertificateThumbprint{c.PEM, x5t(c.raw.Raw)})
	}
	good := f.Certificates[0].Thumbprint
	octets := one(strict.DecodeString(good))
	short := sha1.Sum(octets) //nolint:gosec // see above
	last := strings.IndexByte(alphabet, good[42])
	for id, text := range ordered(map[string]string{
		"good": good, "zeros": base64.RawURLEncoding.EncodeToString(make([]byte, 32)),
		"padded": base64.URLEncoding.EncodeToString(octets), "standard alphabet": strings.Repeat("+", 42) + "8", "spare bits": good[:42] + alphabet[last^1:last^1+1],
		"hex": hex.EncodeToString(octets), "hex with colons": strings.Repeat("AB:", 31) + "AB", "SHA-1": base64.RawURLEncoding.EncodeToString(short[:]),
		"cut": good[:42], "longer": good + "A", "blank in front": " " + good, "blank for the last letter": good[:42] + " ", "line break": good[:21] + "\n" + good[22:], "empty": "",
		"31 octets": base64.RawURLEncoding.EncodeToString(octets[:31]), "33 octets": base64.RawURLEncoding.EncodeToString(append([]byte{0}, octets...)),
	}) {
		verdict := "refuse"
		if id == "good" || id == "zeros" {
			verdict = "accept"
		}
		f.Texts = append(f.Texts, ThumbprintText{id, text, verdict})
	}
	return f
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// all are the certificates of the token cases.
func (w *world) all() []Certificate {
	w.hands()
	return w.file.Certificates
}
