package token

import (
	"errors"
	"testing"

	"github.com/certbound/certbound/resource/accesstoken"
)

// TestUnboundIsNotSigned: the gate stands by itself, whatever writing the claims
// would say.
func TestUnboundIsNotSigned(t *testing.T) {
	if token, err := sign(nil, &accesstoken.Claims{ClientID: "acme-billing"}); token != "" || !errors.Is(err, errUnbound) {
		t.Errorf("%q, %v", token, err)
	}
}
