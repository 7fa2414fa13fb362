package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/keys/keystest"
)

func TestReadRoots(t *testing.T) {
	ca := keystest.NewCA(t, "roots")
	root := string(ca.CertPEM())
	leaf := ca.Client(t)
	other := string(keystest.NewCA(t, "other").CertPEM())
	for _, tt := range []struct{ name, content, want string }{
		{"two with a comment between", root + "# the other\n" + other, ""},
		{"text between", root + "root of the other network:\n" + other, "FILE:LINE: text outside of a PEM block (comments begin with #)"},
		{"a damaged BEGIN line", root + strings.Replace(other, "-----BEGIN", "----BEGIN", 1), "FILE:LINE: text outside of a PEM block (comments begin with #)"},
		{"text before", "\nroot:\n" + root, "FILE:2:1: text outside of a PEM block (comments begin with #)"},
		{"text on the line of a block", "root: " + root, "FILE:1:1: text outside of a PEM block (comments begin with #)"},
		{"text behind the last", root + other + "#\n\nend", "FILE:END: text outside of a PEM block (comments begin with #)"},
		{"empty", "", "FILE:1:1: no CA certificate in PEM form"},
		{"not PEM", "hello\n", "FILE:1:1: no CA certificate in PEM form"},
		{"broken block before a good one", "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n" + root, "FILE:1:1: malformed PEM block"},
		{"cut short", "# a\n" + root[:len(root)/2], "FILE:2:1: malformed PEM block"},
		{"a private key", "\n\n" + string(leaf.KeyPEM()), `FILE:3:1: a PEM block "PRIVATE KEY"; only CERTIFICATE belongs here`},
		{"a leaf", string(leaf.CertPEM()), `FILE:1:1: the certificate of "` + leaf.Cert.Subject.String() + `" is not a CA certificate`},
		{"not a certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "FILE:1:1: malformed certificate: x509: malformed certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := write(t, "ca.pem", tt.content)
			pool, err := config.ReadRoots(config.Path(file))
			if tt.want == "" {
				if err != nil || len(pool.Subjects()) != 2 { //nolint:staticcheck // a pool we filled ourselves
					t.Fatalf("got %v", err)
				}
				return
			}
			want := strings.Replace(tt.want, "LINE", fmt.Sprintf("%d:1", 1+strings.Count(root, "\n")), 1)
			want = strings.Replace(want, "END", fmt.Sprintf("%d:1", 3+strings.Count(root+other, "\n")), 1)
			checkError(t, file, err, want)
			if pool != nil {
				t.Error("a pool came with the error")
			}
		})
	}
	if _, err := config.ReadRoots(config.Path("/nonexistent/ca.pem")); err == nil || !strings.HasSuffix(err.Error(), "/nonexistent/ca.pem: no such file or directory") {
		t.Errorf("missing file: %v", err)
	}
}
