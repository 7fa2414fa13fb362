package folder

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/certbound/certbound/keys/ca"
)

// Lock encrypts and opens the keys of a directory.
type Lock struct {
	recipients []age.Recipient
	identities []age.Identity
}

// MinPassphrase is the least length of a passphrase, in bytes. Whoever has the file
// may guess for as long as he likes.
const MinPassphrase = 12

// workFactor is the cost of one guess: 2^18 rounds of scrypt, about a second.
var workFactor = 18

// Passphrase locks by a passphrase (scrypt).
func Passphrase(secret string) (*Lock, error) {
	if len(secret) < MinPassphrase {
		return nil, fmt.Errorf("folder: the passphrase has fewer than %d bytes", MinPassphrase)
	}
	recipient, err := age.NewScryptRecipient(secret)
	if err != nil {
		return nil, fmt.Errorf("folder: %w", err)
	}
	recipient.SetWorkFactor(workFactor)
	identity, err := age.NewScryptIdentity(secret)
	if err != nil {
		return nil, fmt.Errorf("folder: %w", err)
	}
	return &Lock{[]age.Recipient{recipient}, []age.Identity{identity}}, nil
}

// KeyPair locks to the recipients in the one text and opens with the identities in
// the other, in the forms of age; either may be empty, and cannot be used then.
func KeyPair(recipients, identities []byte) (*Lock, error) {
	l := &Lock{}
	var err error
	if len(recipients) > 0 {
		if l.recipients, err = age.ParseRecipients(bytes.NewReader(recipients)); err != nil {
			return nil, fmt.Errorf("folder: recipients: %w", err)
		}
	}
	if len(identities) > 0 {
		if l.identities, err = age.ParseIdentities(bytes.NewReader(identities)); err != nil {
			return nil, errors.New("folder: the identities cannot be read") // the cause may quote them
		}
	}
	return l, nil
}

func (l *Lock) seal(key crypto.Signer) ([]byte, error) {
	if len(l.recipients) == 0 {
		return nil, errors.New("folder: nobody to encrypt the key to")
	}
	clearText, err := ca.EncodeKey(key)
	if err != nil {
		return nil, err
	}
	defer clear(clearText)
	var out bytes.Buffer
	armored := armor.NewWriter(&out)
	w, err := age.Encrypt(armored, l.recipients...)
	if err != nil {
		return nil, fmt.Errorf("folder: encrypting the key: %w", err)
	}
	_, err = w.Write(clearText)
	if err := errors.Join(err, w.Close(), armored.Close()); err != nil {
		return nil, fmt.Errorf("folder: encrypting the key: %w", err)
	}
	return out.Bytes(), nil
}

// maxKeyFile bounds what is read of a key file.
const maxKeyFile = 64 << 10

// ErrLocked: the key does not open.
var ErrLocked = errors.New("folder: the key does not open; is it the right passphrase or identity?")

// ReadKey opens an encrypted key, which only its owner may read.
func ReadKey(path string, lock *Lock) (crypto.Signer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("folder: %w", err)
	}
	defer func() { _ = f.Close() }() // only read from
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("folder: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("folder: %s: its mode is %04o: nobody but its owner may access it (chmod 600)", path, mode)
	}
	if len(lock.identities) == 0 {
		return nil, ErrLocked
	}
	opened, err := age.Decrypt(armor.NewReader(io.LimitReader(f, maxKeyFile)), lock.identities...)
	if err != nil {
		return nil, fmt.Errorf("%w (%s)", ErrLocked, path)
	}
	text, err := io.ReadAll(io.LimitReader(opened, maxKeyFile))
	defer clear(text)
	block, _ := pem.Decode(text)
	if err != nil || block == nil {
		return nil, fmt.Errorf("%w (%s)", ErrLocked, path)
	}
	defer clear(block.Bytes)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	signer, ok := key.(crypto.Signer)
	if err != nil || !ok {
		return nil, fmt.Errorf("folder: %s holds no private key", path)
	}
	return signer, nil
}
