package folder

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/certbound/certbound/keys/ca"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

func passphrase(t *testing.T, secret string) *Lock {
	t.Helper()
	old := workFactor
	workFactor = 4 // the strength of a passphrase is not tested here
	t.Cleanup(func() { workFactor = old })
	l, err := Passphrase(secret)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func spec(name string) ca.Spec {
	return ca.Spec{Subject: pkix.Name{CommonName: name}, Lifetime: 400 * day}
}

func create(t *testing.T, lock *Lock) (string, *Folder) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "ca")
	f, err := Create(dir, spec("Root"), lock, now)
	if err != nil {
		t.Fatal(err)
	}
	issuing := spec("Issuing")
	issuing.Permitted = ca.Permitted{DNS: []string{"acme.test"}}
	if _, err := f.AddIntermediate("issuing", issuing, lock, now); err != nil {
		t.Fatal(err)
	}
	return dir, f
}

func sign(t *testing.T, f *Folder, lock *Lock) *x509.Certificate {
	t.Helper()
	key, err := ca.NewKey(ca.DefaultKeyKind)
	if err != nil {
		t.Fatal(err)
	}
	p := ca.ClientProfile{
		Subject: pkix.Name{CommonName: "a"}, DNSNames: []string{"a.acme.test"}, URIs: []*url.URL{{Scheme: "spiffe", Host: "acme.test", Path: "/a"}},
		NotBefore: now, NotAfter: now.Add(day),
	}
	text, err := ca.NewRequest(key, p)
	if err != nil {
		t.Fatal(err)
	}
	request, err := ca.ParseRequest(text)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := f.Sign("issuing", lock, request, p, now)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestLife(t *testing.T) {
	lock := passphrase(t, "correct horse battery")
	dir, f := create(t, lock)
	if _, err := Open(dir); !errors.Is(err, ErrBusy) {
		t.Errorf("a second process: %v", err)
	}
	cert := sign(t, f, lock)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	entries := f.Entries()
	if len(entries) != 2 || entries[0].Issuer != RootName || entries[1].Serial != cert.SerialNumber.Text(16) || entries[1].Names[0] != "DNS:a.acme.test" {
		t.Errorf("on record: %+v", entries)
	}
	if _, err := f.Revoke("01", "unspecified", now); !errors.Is(err, ErrUnknown) {
		t.Errorf("a serial number of somebody else: %v", err)
	}
	if _, err := f.Revoke(entries[1].Serial, "bored", now); err == nil {
		t.Error("any reason will do")
	}
	for _, at := range []time.Time{now, now.Add(time.Hour)} { // the second changes nothing
		e, err := f.Revoke(entries[1].Serial, "keyCompromise", at)
		if err != nil || !e.RevokedAt.Equal(now) {
			t.Errorf("%+v, %v", e, err)
		}
	}
	for number, at := range []time.Time{now, now.Add(2 * day), now.Add(200 * day)} {
		// Each by a process of its own: what one did, the next one knows.
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if f, err = Open(dir); err != nil {
			t.Fatal(err)
		}
		text, err := f.CRL("issuing", lock, 7*day, at)
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(text)
		list, err := x509.ParseRevocationList(block.Bytes)
		want := 1
		if number == 2 {
			want = 0 // expired long ago
		}
		if err != nil || list.Number.Int64() != int64(number+1) || len(list.RevokedCertificateEntries) != want {
			t.Errorf("list %d: %+v, %v", number, list, err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestFilesAreSafe: keys are encrypted and for their owner only, and a crash in the
// middle of a change leaves no half file under its name.
func TestFilesAreSafe(t *testing.T) {
	lock := passphrase(t, "correct horse battery")
	dir, f := create(t, lock)
	defer func() { _ = f.Close() }()
	names, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(dir, name.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte("PRIVATE KEY")) {
			t.Errorf("%s holds a key in clear", name.Name())
		}
		info, err := name.Info()
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Ext(name.Name()) != ".pem" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %04o", name.Name(), info.Mode().Perm())
		}
	}
	if _, err := f.Issuer("issuing", passphrase(t, "another one, as long")); !errors.Is(err, ErrLocked) {
		t.Errorf("the wrong passphrase: %v", err)
	}
	if err := os.Chmod(f.KeyPath("issuing"), 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Issuer("issuing", lock); err == nil {
		t.Error("a key others may read is used")
	}
	if err := os.Rename(f.KeyPath(RootName), f.KeyPath("issuing")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Issuer("issuing", lock); err == nil || err.Error() != `folder: the key of "issuing" is not the key of its certificate` {
		t.Errorf("another issuer's key: %v", err)
	}
}

func TestRecipients(t *testing.T) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	lock, err := KeyPair([]byte(identity.Recipient().String()), []byte(identity.String()))
	if err != nil {
		t.Fatal(err)
	}
	_, f := create(t, lock)
	defer func() { _ = f.Close() }()
	sign(t, f, lock)
	blind, err := KeyPair([]byte(identity.Recipient().String()), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Issuer("issuing", blind); !errors.Is(err, ErrLocked) {
		t.Errorf("who can only encrypt: %v", err)
	}
	if _, err := KeyPair([]byte("nonsense"), nil); err == nil {
		t.Error("nonsense is a recipient")
	}
	if _, err := KeyPair(nil, []byte("AGE-SECRET-KEY-NONSENSE")); err == nil || err.Error() != "folder: the identities cannot be read" {
		t.Errorf("the error repeats a secret: %v", err)
	}
	if _, err := Passphrase("short"); err == nil {
		t.Error("a short passphrase")
	}
}

func TestRefusals(t *testing.T) {
	lock := passphrase(t, "correct horse battery")
	dir, f := create(t, lock)
	for _, name := range []string{"", "../x", "A", "issuing", "root"} {
		if _, err := f.AddIntermediate(name, spec("x"), lock, now); err == nil {
			t.Errorf("an intermediate %q", name)
		}
	}
	if _, err := f.Sign(RootName, lock, nil, ca.ClientProfile{}, now); err == nil {
		t.Error("the root signs a client")
	}
	if _, err := f.CRL("nobody", lock, day, now); err == nil {
		t.Error("a list of nobody")
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(dir, spec("again"), lock, now); !errors.Is(err, ErrExists) {
		t.Errorf("made anew: %v", err)
	}
	if _, err := Open(t.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an empty directory: %v", err)
	}
}

// FuzzState: what is read can be used without a panic and written again.
func FuzzState(f *testing.F) {
	f.Add([]byte(`{"version":1,"issuers":{"root":{"crl_number":1}},"certificates":[{"serial":"ff","issuer":"root"}]}`))
	f.Add([]byte(`{"version":1,"issuers":{"root":null},"certificates":[null]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := parseState(text)
		if err != nil {
			return
		}
		dir := &Folder{dir: t.TempDir(), state: s}
		dir.Entries()
		if err := dir.save(); err != nil {
			t.Fatal(err)
		}
		if _, err := readState(dir.path(stateFile)); err != nil {
			t.Errorf("what was written cannot be read: %v", err)
		}
	})
}
