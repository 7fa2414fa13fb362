package trust

import (
	"crypto/x509/pkix"
	"encoding/hex"
	"strings"
	"testing"
)

func TestConstraintsSupported(t *testing.T) {
	for _, tt := range []struct {
		name, der string
		want      bool
	}{
		{"permitted DNS", "3009a00730058203612e62", true},
		{"excluded e-mail and URI", "300ea10c3004810261623004860261" + "62", true},
		{"minimum after the base", "300ca00a3008820361" + "2e62800100", true},
		{"directoryName", "3008a0063004a4023000", false},
		{"directoryName after DNS", "300fa00d30058203612e623004a4023000", false},
		{"otherName", "3006a00430028000", false},
		{"universal tag for a kind", "3006a00430020200", false},
		{"empty subtree", "3004a0023000", false},
		{"subtree is no sequence", "3005a003020100", false},
		{"trailing octets", "3009a00730058203612e6200", false},
		{"nothing", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			der, err := hex.DecodeString(tt.der)
			if err != nil {
				t.Fatal(err)
			}
			if got := constraintsSupported(der); got != tt.want {
				t.Errorf("constraintsSupported = %v", got)
			}
		})
	}
}

func TestNameTextIsSafeForALog(t *testing.T) {
	for _, tt := range []struct{ name, der, fallback, want string }{
		{"usual", "300c310a300806035504030c0161", "", "CN=a"},
		{"line break", "300e310c300a06035504030c03610a62", "", `CN=a\0ab`},
		{"empty", "3000", "", "(no name)"},
		{"strange", "300d310b300906035504030c026100", "a\x00\n", `"CN=a\x00\n"`},
		{"long", strings.Repeat("00", maxPrintedName+1), "", "(a name of 1025 bytes)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			der, err := hex.DecodeString(tt.der)
			if err != nil {
				t.Fatal(err)
			}
			if got := nameText(der, &pkix.Name{CommonName: tt.fallback}); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
