package keys

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKEKFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kek")
	if err := NewKEKFile(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o600 || info.Size() != 45 {
		t.Errorf("mode %v, %d bytes; want 0600, 44 characters and a line end", info.Mode(), info.Size())
	}
	key, err := ReadKEKFile(path)
	if err != nil || len(key) != kekSize || bytes.Equal(key, make([]byte, kekSize)) {
		t.Fatalf("read %d bytes, error %v", len(key), err)
	}
	if err := NewKEKFile(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second NewKEKFile: got error %v, want fs.ErrExist", err)
	}
	if again, err := ReadKEKFile(path); err != nil || !bytes.Equal(again, key) {
		t.Errorf("the key changed, error %v", err)
	}
	other := filepath.Join(filepath.Dir(path), "other")
	if err := NewKEKFile(other); err != nil {
		t.Fatal(err)
	}
	if second, err := ReadKEKFile(other); err != nil || bytes.Equal(second, key) {
		t.Errorf("two new keys are the same, error %v", err)
	}
	if err := NewKEKFile(filepath.Join(path, "below-a-file")); err == nil {
		t.Error("a key file below a file")
	}
}

func TestReadKEKFileRefuses(t *testing.T) {
	good := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xfb}, kekSize))
	const content = "it must hold one line: 44 characters of base64, 32 bytes"
	for name, c := range map[string]struct {
		content string
		mode    os.FileMode
		want    string
	}{
		"group may read":   {good, 0o640, "its mode is 0640: nobody but its owner may access it (chmod 600)"},
		"others may read":  {good, 0o604, "its mode is 0604: nobody but its owner may access it (chmod 600)"},
		"others may write": {good, 0o602, "its mode is 0602: nobody but its owner may access it (chmod 600)"},
		"empty":            {"", 0o600, content},
		"short":            {base64.StdEncoding.EncodeToString(make([]byte, 16)), 0o600, content},
		"long":             {base64.StdEncoding.EncodeToString(make([]byte, 33)), 0o600, content},
		"hex":              {strings.Repeat("ab", 32), 0o600, content},
		"url alphabet":     {strings.NewReplacer("+", "-", "/", "_").Replace(good), 0o600, content},
		"no padding":       {strings.TrimRight(good, "="), 0o600, content},
		"trailing bits":    {good[:42] + "9=", 0o600, content},
		"two lines":        {good + "\n" + good + "\n", 0o600, content},
		"break inside":     {good[:20] + "\n" + good[20:], 0o600, content},
		"break, 44 long":   {good[:21] + "\n" + good[22:], 0o600, content},
		"leading blank":    {" " + good, 0o600, content},
		"huge":             {strings.Repeat("A", 1<<20), 0o600, content},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "kek")
			if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, c.mode); err != nil {
				t.Fatal(err)
			}
			key, err := ReadKEKFile(path)
			want := "keys: not a key-encryption key file: " + path + ": " + c.want
			if key != nil || !errors.Is(err, ErrKEKFile) || err.Error() != want {
				t.Errorf("got error\n%v\nwant\n%s", err, want)
			}
		})
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadKEKFile(dir); err == nil || err.Error() != "keys: not a key-encryption key file: "+dir+": it is not a regular file" {
		t.Errorf("a directory: got error %v", err)
	}
	if _, err := ReadKEKFile(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: got error %v, want fs.ErrNotExist", err)
	}
	for _, end := range []string{"", "\n", "\r\n"} {
		if key, err := parseKEK([]byte(good + end)); err != nil || len(key) != kekSize {
			t.Errorf("line end %q: %d bytes, error %v", end, len(key), err)
		}
	}
}

// TestKEKIsNotPrinted: however a KEK gets into a text, its key does not.
func TestKEKIsNotPrinted(t *testing.T) {
	k := KEK{ID: "k1", Key: []byte("0123456789abcdef0123456789abcdef")}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("loaded", "kek", k, "keks", []KEK{k})
	asJSON, err := json.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(k), fmt.Sprintf("%v %+v %#v %s", k, &k, k, []KEK{k}), log.String(), string(asJSON)} {
		for _, secret := range []string{"0123456789abcdef", base64.StdEncoding.EncodeToString(k.Key), "48 49 50", "0x30, 0x31"} {
			if strings.Contains(text, secret) {
				t.Errorf("%q shows the key", text)
			}
		}
	}
}

func TestNewSealerRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		active KEK
		older  []KEK
		want   string
	}{
		"no id":     {KEK{Key: kek("", 1).Key}, nil, "keys: a key-encryption key has no id"},
		"short":     {KEK{ID: "k1", Key: make([]byte, 16)}, nil, `keys: key-encryption key "k1" has 16 bytes, want 32`},
		"nil":       {KEK{ID: "k1"}, nil, `keys: key-encryption key "k1" has 0 bytes, want 32`},
		"older bad": {kek("k1", 1), []KEK{{ID: "k0", Key: make([]byte, 31)}}, `keys: key-encryption key "k0" has 31 bytes, want 32`},
		"same id":   {kek("k1", 1), []KEK{kek("k1", 2)}, `keys: two key-encryption keys have the id "k1"`},
	} {
		if _, err := NewSealer(c.active, c.older...); err == nil || err.Error() != c.want {
			t.Errorf("%s: got error %v, want %s", name, err, c.want)
		}
	}
}

// TestEnvelopes: the same secret never looks the same, and opens in its place only.
func TestEnvelopes(t *testing.T) {
	s := sealer(t, kek("k1", 1))
	at := place{"signing_keys", "kid-1", "access_token"}
	_, one, err := s.seal([]byte("secret"), at)
	if err != nil {
		t.Fatal(err)
	}
	_, two, err := s.seal([]byte("secret"), at)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(one, two) || bytes.Contains(one, []byte("secret")) {
		t.Error("an envelope shows what is in it")
	}
	if got, err := s.open("k1", one, at); err != nil || string(got) != "secret" {
		t.Errorf("got %q, error %v", got, err)
	}
	for name, elsewhere := range map[string]place{
		"table":   {"other_keys", "kid-1", "access_token"},
		"row":     {"signing_keys", "kid-2", "access_token"},
		"purpose": {"signing_keys", "kid-1", "revocation_feed"},
		"shifted": {"signing_keys", "kid-1access", "_token"},
	} {
		if _, err := s.open("k1", one, elsewhere); !errors.Is(err, ErrSealed) {
			t.Errorf("another %s: got error %v, want ErrSealed", name, err)
		}
	}
}

func FuzzParseKEK(f *testing.F) {
	f.Add([]byte(base64.StdEncoding.EncodeToString(make([]byte, kekSize)) + "\n"))
	f.Add([]byte("\r\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		key, err := parseKEK(content)
		if err != nil {
			return
		}
		line := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
		if base64.StdEncoding.EncodeToString(key) != line {
			t.Errorf("%q and %x are not the same key", content, key)
		}
	})
}

func FuzzOpenEnvelope(f *testing.F) {
	s, err := NewSealer(kek("k1", 1))
	if err != nil {
		f.Fatal(err)
	}
	at := place{"signing_keys", "kid-1", "access_token"}
	_, sealed, err := s.seal([]byte("secret"), at)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0})
	f.Fuzz(func(t *testing.T, envelope []byte) {
		// Fuzzing runs in several processes, each of which sealed an envelope; what
		// opens at all must be one of those.
		if secret, err := s.open("k1", envelope, at); err == nil && string(secret) != "secret" {
			t.Errorf("a forged envelope opens as %q", secret)
		}
	})
}
