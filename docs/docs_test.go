package docs_test

import (
	"testing"

	"github.com/certbound/certbound/docs"
)

func TestReason(t *testing.T) {
	for _, name := range []string{"subject_mismatch", "thumbprint_mismatch", "certificate_missing", "audit_unavailable"} {
		if meaning, check := docs.Reason(name); meaning == "" || check == "" {
			t.Errorf("%s: meaning %q, check %q", name, meaning, check)
		}
	}
	if meaning, check := docs.Reason("made_up"); meaning != "" || check != "" {
		t.Errorf("a made-up reason means %q", meaning)
	}
}
