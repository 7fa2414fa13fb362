package servertls

import (
	"bytes"
	"testing"

	"github.com/certbound/certbound/keys/keystest"
)

// FuzzParseChain: a file is read whole or not at all, and its first certificate is
// the one that is shown.
func FuzzParseChain(f *testing.F) {
	server := keystest.NewCA(f, "root").Intermediate(f, "issuing").Server(f)
	f.Add(server.CertPEM())
	f.Add(append(server.KeyPEM(), server.CertPEM()...))
	f.Add(server.CertPEM()[:200])
	f.Add(bytes.Replace(server.CertPEM(), []byte("CERTIFICATE"), []byte("X509 CRL"), 2))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"))
	f.Add([]byte("-----BEGIN -----BEGIN CERTIFICATE-----"))
	f.Fuzz(func(t *testing.T, data []byte) {
		leaf, err := parseChain(data)
		if (leaf == nil) == (err == nil) {
			t.Fatalf("%v, %v", leaf, err)
		}
		if err != nil {
			return
		}
		if again, err := parseChain(append(bytes.Clone(data), '\n')); err != nil || !again.Equal(leaf) {
			t.Fatalf("a line break changes it: %v", err)
		}
		_ = checkLeaf(leaf, leaf.NotBefore)
	})
}
