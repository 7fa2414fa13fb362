package folder

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/certbound/certbound/keys/ca"
)

// RootName is the issuer that signs the others and nobody else.
const RootName = "root"

// Folder is an open directory, locked for this process until Close.
type Folder struct {
	dir    string
	state  *state
	unlock func() error
}

// ErrExists: a directory that already holds a CA is never made anew.
var ErrExists = errors.New("folder: there is a certificate authority in this directory already")

// Create makes a root in dir, which is made if need be. Its key leaves this process
// encrypted only.
func Create(dir string, spec ca.Spec, lock *Lock, now time.Time) (*Folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("folder: %w", err)
	}
	unlock, err := lockDirectory(dir)
	if err != nil {
		return nil, err
	}
	f := &Folder{dir: dir, state: newState(), unlock: unlock}
	if err := f.create(spec, lock, now); err != nil {
		return nil, errors.Join(err, unlock())
	}
	return f, nil
}

func (f *Folder) create(spec ca.Spec, lock *Lock, now time.Time) error {
	if _, err := os.Lstat(f.path(stateFile)); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(ErrExists, err)
	}
	root, err := ca.Root(spec, now)
	if err != nil {
		return err
	}
	if err := f.put(RootName, root, lock); err != nil {
		return err
	}
	f.state.Issuers[RootName] = &issuerState{}
	return f.save() // last: without it there is no CA here
}

// Open opens what Create made.
func Open(dir string) (*Folder, error) {
	unlock, err := lockDirectory(dir)
	if err != nil {
		return nil, err
	}
	s, err := readState(filepath.Join(dir, stateFile))
	if err != nil {
		return nil, errors.Join(err, unlock())
	}
	return &Folder{dir: dir, state: s, unlock: unlock}, nil
}

// Close lets others work in the directory.
func (f *Folder) Close() error { return f.unlock() }

// AddIntermediate makes an intermediate signed by the root. The root's key is
// opened for it.
func (f *Folder) AddIntermediate(name string, spec ca.Spec, lock *Lock, now time.Time) (*ca.Authority, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if f.state.Issuers[name] != nil {
		return nil, fmt.Errorf("folder: there is an issuer %q already", name)
	}
	root, err := f.Issuer(RootName, lock)
	if err != nil {
		return nil, err
	}
	made, err := root.Intermediate(spec, now)
	if err != nil {
		return nil, err
	}
	if err := f.put(name, made, lock); err != nil {
		return nil, err
	}
	f.state.Issuers[name] = &issuerState{}
	f.state.add(RootName, made.Cert, now)
	return made, f.save()
}

// Issuer opens the key of an issuer.
func (f *Folder) Issuer(name string, lock *Lock) (*ca.Authority, error) {
	cert, err := f.Certificate(name)
	if err != nil {
		return nil, err
	}
	key, err := ReadKey(f.path(name+keyEnding), lock)
	if err != nil {
		return nil, err
	}
	if same, ok := cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); !ok || !same.Equal(key.Public()) {
		return nil, fmt.Errorf("folder: the key of %q is not the key of its certificate", name)
	}
	return &ca.Authority{Cert: cert, Key: key}, nil
}

// Certificate is the certificate of an issuer.
func (f *Folder) Certificate(name string) (*x509.Certificate, error) {
	if f.state.Issuers[name] == nil {
		return nil, fmt.Errorf("folder: there is no issuer %q; there are %s", name, strings.Join(f.IssuerNames(), ", "))
	}
	text, err := os.ReadFile(f.path(name + certEnding))
	if err != nil {
		return nil, fmt.Errorf("folder: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("folder: %s%s holds no certificate", name, certEnding)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("folder: %s%s: %w", name, certEnding, err)
	}
	return cert, nil
}

// Chain is an issuer's certificate in PEM, without the root's, which relying
// parties have.
func (f *Folder) Chain(name string) ([]byte, error) {
	cert, err := f.Certificate(name)
	if err != nil || name == RootName {
		return nil, err
	}
	return ca.EncodeCertificates(cert), nil
}

// CertificatePath is the file with an issuer's certificate.
func (f *Folder) CertificatePath(name string) string { return f.path(name + certEnding) }

// KeyPath is the file with an issuer's encrypted key.
func (f *Folder) KeyPath(name string) string { return f.path(name + keyEnding) }

// Endings of an issuer's files.
const (
	certEnding = ".pem"
	keyEnding  = ".key.age"
)

func (f *Folder) path(name string) string { return filepath.Join(f.dir, name) }

// put writes the files of a new issuer, the key first.
func (f *Folder) put(name string, a *ca.Authority, lock *Lock) error {
	sealed, err := lock.seal(a.Key)
	if err != nil {
		return err
	}
	if err := replace(f.path(name+keyEnding), sealed, 0o600); err != nil {
		return err
	}
	return replace(f.path(name+certEnding), ca.EncodeCertificates(a.Cert), 0o644)
}

// checkName keeps an issuer's name from being a path.
func checkName(name string) error {
	allowed := func(r rune) bool { return 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' }
	if name == "" || len(name) > 64 || strings.ContainsFunc(name, func(r rune) bool { return !allowed(r) }) {
		return fmt.Errorf("folder: %q is not a name of an issuer: 1 to 64 of a-z, 0-9 and -", name)
	}
	return nil
}
