package dev

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/cmd/certbound/internal/ops"
	"github.com/certbound/certbound/keys"
)

// Options says how a dev is to run. Addresses are host:port; a host left out is
// 127.0.0.1, port 0 picks a free one.
type Options struct {
	Dir           string
	AuthzAddr     string
	ProxyAddr     string
	AdminAddr     string
	OpsAddr       string
	TokenLifetime time.Duration // 0 means the server's default
	Leeway        time.Duration
	RotateEvery   time.Duration    // of signing keys; 0 means when an administrator asks
	JWKSMaxAge    time.Duration    // 0 means the default of serve
	Seed          string           // file of further records, or ""
	SigningKey    *jose.JSONWebKey // nil means the key in the database
	Logger        *slog.Logger
	Metrics       *ops.Metrics     // nil: there is no /metrics
	Clock         func() time.Time // nil means time.Now
}

// signingAlgorithm is what the given key signs with, or the default.
func signingAlgorithm(key *jose.JSONWebKey) string {
	if key == nil {
		return keys.ES256
	}
	if key.Algorithm != "" {
		return key.Algorithm
	}
	switch private := key.Key.(type) {
	case *rsa.PrivateKey:
		return keys.RS256
	case ed25519.PrivateKey:
		return keys.EdDSA
	case *ecdsa.PrivateKey:
		if private.Curve == elliptic.P384() {
			return keys.ES384
		}
	}
	return keys.ES256
}

// Loopback completes and checks the address given with a flag. Only the names the server
// certificate carries are let through: dev hands out private keys and must not
// be reachable from elsewhere.
func Loopback(flag, address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("dev: %s %q is not host:port", flag, address)
	}
	switch host {
	case "":
		host = "127.0.0.1"
	case "localhost", "127.0.0.1", "::1":
	default:
		return "", fmt.Errorf("dev: %s %q is not loopback: dev holds keys in plain files and listens on localhost, 127.0.0.1 or [::1] only", flag, address)
	}
	return net.JoinHostPort(host, port), nil
}

// origin is the https URL of a listener, by the name people type.
func origin(listener net.Listener) string {
	host, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil || host == "127.0.0.1" {
		host = "localhost"
	}
	return "https://" + net.JoinHostPort(host, port)
}

// ReadSigningKey reads --signing-key: a private JWK, itself when it begins with
// "{", or the file it names. No error shows any of it.
func ReadSigningKey(value string) (*jose.JSONWebKey, error) {
	text := []byte(value)
	if !strings.HasPrefix(strings.TrimSpace(value), "{") {
		var err error
		if text, err = os.ReadFile(value); err != nil {
			return nil, fmt.Errorf("dev: signing key: %w", err)
		}
	}
	var key jose.JSONWebKey
	if err := json.Unmarshal(text, &key); err != nil {
		return nil, errors.New("dev: signing key: not a JWK (RFC 7517)")
	}
	if key.IsPublic() || !key.Valid() {
		return nil, errors.New("dev: signing key: not a private EC or RSA key")
	}
	return &key, nil
}
