package enroll

import (
	"bytes"
	"crypto/x509"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4/json"

	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/keys/ca"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

// maxBody bounds the body of a request: a certificate request in a JSON string.
const maxBody = 2*ca.MaxRequestBytes + 1<<10

// body is what is sent to /enroll. Without a secret it is a renewal.
type body struct {
	Secret string
	CSR    string
}

// read parses one request. Everything it refuses is plain from the request alone.
func read(w http.ResponseWriter, r *http.Request) (body, *x509.CertificateRequest, *oauth.Error) {
	var b body
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" || len(r.Header.Values("Content-Type")) != 1 || r.Header.Get("Content-Encoding") != "" {
		return b, nil, oauth.Refuse(decision.EnrollmentMalformed, "the body must be application/json, not compressed")
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return b, nil, oauth.RefuseFor(decision.RequestTooLarge, err)
	}
	if err != nil {
		return b, nil, oauth.Refuse(decision.EnrollmentMalformed, "the body cannot be read")
	}
	// Before anything else: whoever sends a key has to be told, however broken the
	// rest is.
	if bytes.Contains(text, []byte("PRIVATE KEY")) {
		return b, nil, oauth.Refuse(decision.PrivateKeySent, ca.ErrPrivateKey.Error())
	}
	if b, err = parse(text); err != nil {
		return b, nil, oauth.RefuseFor(decision.EnrollmentMalformed, err)
	}
	csr, err := ca.ParseRequest([]byte(b.CSR))
	switch {
	case errors.Is(err, ca.ErrPrivateKey):
		return b, nil, oauth.RefuseFor(decision.PrivateKeySent, err)
	case err != nil:
		return b, nil, oauth.RefuseFor(decision.RequestRefused, err)
	}
	return b, csr, nil
}

// parse reads the JSON: known members only, each once, and texts. Errors repeat
// nothing of it.
func parse(text []byte) (b body, err error) {
	var members map[string]json.RawMessage
	// go-jose's fork of encoding/json: names are case-sensitive and unique.
	if !utf8.Valid(text) || json.Unmarshal(text, &members) != nil || members == nil {
		return b, errors.New("the body is not one JSON object in UTF-8 with unique members")
	}
	for name, raw := range members {
		into := map[string]*string{"secret": &b.Secret, "csr": &b.CSR}[name]
		if into == nil {
			return b, errors.New("the body has a member other than secret and csr")
		}
		if raw[0] != '"' || json.Unmarshal(raw, into) != nil || *into == "" {
			return b, errors.New("a member of the body is not a text")
		}
	}
	if b.CSR == "" {
		return b, errors.New("csr is missing")
	}
	return b, nil
}

// fits refuses a request that names anything but what the certificate will say. A
// request without names leaves it all to us.
func fits(csr *x509.CertificateRequest, clientID string, kind storage.MatcherKind, san string) error {
	for _, name := range csr.Subject.Names {
		if !name.Type.Equal(oidCommonName) || name.Value != clientID && name.Value != san {
			return errors.New("the request's subject has a name other than the client's")
		}
	}
	if len(csr.IPAddresses)+len(csr.EmailAddresses) > 0 {
		return errors.New("the request asks for IP or e-mail addresses")
	}
	for _, name := range csr.DNSNames {
		if kind != storage.SANDNS || !strings.EqualFold(name, san) {
			return errors.New("the request asks for a DNS name that is not the client's")
		}
	}
	for _, uri := range csr.URIs {
		if kind != storage.SANURI || uri.String() != san {
			return errors.New("the request asks for a URI that is not the client's")
		}
	}
	return nil
}

var oidCommonName = []int{2, 5, 4, 3}
