package keys

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
)

// kekSize is the size of a key-encryption key: AES-256.
const kekSize = 32

// KEK is a key-encryption key and the id by which rows refer to it.
type KEK struct {
	ID  string
	Key []byte `json:"-"` // 32 bytes
}

// String returns the id only, so that a KEK that strays into a log line or an
// error tells nothing.
func (k KEK) String() string { return "KEK " + k.ID }

// GoString does for %#v what String does for %v.
func (k KEK) GoString() string { return k.String() }

// LogValue does the same for slog.
func (k KEK) LogValue() slog.Value { return slog.StringValue(k.String()) }

// ErrKEKFile: a file cannot be taken for a key-encryption key.
var ErrKEKFile = errors.New("keys: not a key-encryption key file")

// ReadKEKFile reads a key-encryption key: one line, standard base64 of 32 bytes.
// A file that its group or others may access is refused, because whoever reads it
// can open every signing key. Errors name the file and never what is in it.
func ReadKEKFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("keys: read key-encryption key: %w", err)
	}
	key, err := readKEK(f)
	if err = errors.Join(err, f.Close()); err != nil {
		clear(key)
		return nil, fmt.Errorf("%w: %s: %w", ErrKEKFile, path, err)
	}
	return key, nil
}

func readKEK(f *os.File) ([]byte, error) {
	info, err := f.Stat() // of the open file: what is checked is what is read
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("its mode is %04o: nobody but its owner may access it (chmod 600)", mode)
	}
	content, err := io.ReadAll(io.LimitReader(f, 1024))
	if err != nil {
		return nil, err
	}
	defer clear(content)
	return parseKEK(content)
}

var errKEKContent = errors.New("it must hold one line: 44 characters of base64, 32 bytes")

// parseKEK reads the one accepted text form, with or without a line end.
func parseKEK(content []byte) ([]byte, error) {
	line := bytes.TrimSuffix(bytes.TrimSuffix(content, []byte("\n")), []byte("\r"))
	encoding := base64.StdEncoding.Strict()
	// The decoder skips line breaks, so the length is checked before.
	if len(line) != encoding.EncodedLen(kekSize) || bytes.ContainsAny(line, "\r\n") {
		return nil, errKEKContent
	}
	key := make([]byte, encoding.DecodedLen(len(line)))
	n, err := encoding.Decode(key, line)
	if err != nil || n != kekSize { // err would quote a byte of the key
		clear(key)
		return nil, errKEKContent
	}
	return key[:n], nil
}

// NewKEKFile makes a key-encryption key and writes it to a new file that only
// its owner may access. It never overwrites: the old key may be the only one
// that opens the rows of a database.
func NewKEKFile(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("keys: new key-encryption key: %w: a key is never overwritten", err)
	}
	if err != nil {
		return fmt.Errorf("keys: new key-encryption key: %w", err)
	}
	key := make([]byte, kekSize)
	rand.Read(key) // never fails: crypto/rand crashes the program instead
	line := append(base64.StdEncoding.AppendEncode(nil, key), '\n')
	defer func() { clear(key); clear(line) }()
	_, err = f.Write(line)
	// Rows sealed with this key may be durable a moment later; the key must be
	// before them.
	err = errors.Join(err, f.Sync(), f.Close(), syncDirectory(filepath.Dir(path)))
	if err != nil {
		return errors.Join(fmt.Errorf("keys: new key-encryption key: %w", err), os.Remove(path))
	}
	return nil
}

func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
