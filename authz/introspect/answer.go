package introspect

import (
	"strings"

	"github.com/certbound/certbound/authz/issued"
)

// inactive is the one answer about every token the caller is not to rely on.
const inactive = `{"active":false}`

// answer is RFC 7662 §2.2, with the confirmation of RFC 8705 §3.2: whoever asks
// has to compare it with the certificate of the connection.
type answer struct {
	Active       bool         `json:"active"`
	Scope        string       `json:"scope,omitempty"`
	ClientID     string       `json:"client_id"`
	TokenType    string       `json:"token_type"`
	Expiry       int64        `json:"exp"`
	IssuedAt     int64        `json:"iat"`
	Subject      string       `json:"sub"`
	Audience     string       `json:"aud"`
	Issuer       string       `json:"iss"`
	ID           string       `json:"jti"`
	Confirmation confirmation `json:"cnf"`
	Partner      string       `json:"partner,omitempty"`
}

type confirmation struct {
	Thumbprint string `json:"x5t#S256"`
}

func answerFor(t *issued.Token) answer {
	return answer{
		Active:       true,
		Scope:        strings.Join(t.Scopes, " "),
		ClientID:     t.ClientID,
		TokenType:    "Bearer",
		Expiry:       t.Expiry.Unix(),
		IssuedAt:     t.IssuedAt.Unix(),
		Subject:      t.Subject,
		Audience:     strings.Join(t.Audience, " "), // one, by the way we issue
		Issuer:       t.Issuer,
		ID:           t.ID,
		Confirmation: confirmation{t.Thumbprint.String()},
		Partner:      t.Partner,
	}
}
