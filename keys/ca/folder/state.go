package folder

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/big"
	"os"
	"slices"
	"time"

	"github.com/certbound/certbound/keys/thumbprint"
)

const (
	stateFile    = "state.json"
	stateVersion = 1
)

// state is all that changes in a directory.
type state struct {
	Version      int                     `json:"version"`
	Issuers      map[string]*issuerState `json:"issuers"`
	Certificates []*Entry                `json:"certificates"` // oldest first
}

type issuerState struct {
	CRLNumber int64 `json:"crl_number"` // the last that was used
}

// Entry is one certificate that was signed here.
type Entry struct {
	Serial     string                `json:"serial"` // lower-case hex
	Issuer     string                `json:"issuer"` // its name here
	Subject    string                `json:"subject"`
	Names      []string              `json:"names,omitempty"` // subject alternative names
	Thumbprint thumbprint.Thumbprint `json:"x5t_s256"`
	IssuedAt   time.Time             `json:"issued_at"`
	NotAfter   time.Time             `json:"not_after"`
	RevokedAt  *time.Time            `json:"revoked_at,omitempty"`
	Reason     string                `json:"reason,omitempty"` // one of Reasons
}

func newState() *state {
	return &state{Version: stateVersion, Issuers: map[string]*issuerState{}, Certificates: []*Entry{}}
}

func readState(path string) (*state, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("folder: there is no certificate authority in this directory: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("folder: %w", err)
	}
	s, err := parseState(text)
	if err != nil {
		return nil, fmt.Errorf("folder: %s: %w", path, err)
	}
	return s, nil
}

func parseState(text []byte) (*state, error) {
	s := newState()
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(s); err != nil {
		return nil, err
	}
	if s.Version != stateVersion {
		return nil, fmt.Errorf("version %d is not %d", s.Version, stateVersion)
	}
	for name, issuer := range s.Issuers {
		if issuer == nil {
			return nil, fmt.Errorf("the issuer %q is null", name)
		}
	}
	for i, e := range s.Certificates {
		if e == nil || s.Issuers[e.Issuer] == nil {
			return nil, fmt.Errorf("certificate %d is of no issuer", i)
		}
		if _, ok := new(big.Int).SetString(e.Serial, 16); !ok {
			return nil, fmt.Errorf("certificate %d has no serial number", i)
		}
	}
	return s, nil
}

func (s *state) add(issuer string, cert *x509.Certificate, now time.Time) {
	s.Certificates = append(s.Certificates, &Entry{
		Serial: cert.SerialNumber.Text(16), Issuer: issuer, Subject: cert.Subject.String(), Names: namesOf(cert),
		Thumbprint: thumbprint.Of(cert), IssuedAt: now.UTC().Truncate(time.Second), NotAfter: cert.NotAfter.UTC(),
	})
}

func namesOf(cert *x509.Certificate) (names []string) {
	for _, n := range cert.DNSNames {
		names = append(names, "DNS:"+n)
	}
	for _, u := range cert.URIs {
		names = append(names, "URI:"+u.String())
	}
	for _, ip := range cert.IPAddresses {
		names = append(names, "IP:"+ip.String())
	}
	for _, m := range cert.EmailAddresses {
		names = append(names, "email:"+m)
	}
	return names
}

// Entries are the certificates that were signed here, oldest first.
func (f *Folder) Entries() []Entry {
	all := make([]Entry, len(f.state.Certificates))
	for i, e := range f.state.Certificates {
		all[i] = *e
	}
	return all
}

// IssuerNames are the names of the issuers, sorted.
func (f *Folder) IssuerNames() []string { return slices.Sorted(maps.Keys(f.state.Issuers)) }

func (f *Folder) save() error {
	text, err := json.MarshalIndent(f.state, "", "  ")
	if err != nil {
		return fmt.Errorf("folder: %w", err)
	}
	return replace(f.path(stateFile), append(text, '\n'), 0o600)
}
