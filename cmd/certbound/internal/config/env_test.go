package config_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certbound/certbound/cmd/certbound/internal/config"
)

func TestEnvironmentOverridesTheFile(t *testing.T) {
	file := write(t, "serve.yaml", serveYAML)
	got, loaded, err := config.LoadServe(file, []string{
		"CERTBOUND_ISSUER=https://other.example.com",
		"CERTBOUND_TLS_KEY_FILE=relative.key",
		"CERTBOUND_TOKEN_LIFETIME=90s",
		"CERTBOUND_FETCH_ALLOW_PRIVATE=10.0.0.0/8,fd00::/8",
		"CERTBOUND_KEYS_KEKS_0_FILE=/run/secrets/kek",
		"CERTBOUND_KEYS_KEKS_1_ID=k2",
		"CERTBOUND_KEYS_KEKS_1_FILE=/run/secrets/kek2",
		"CERTBOUND_SERVICE_HOST=10.0.0.1", // what Kubernetes sets for a service of that name
		"CERTBOUND_LISTEN=",               // as good as not set
		"PATH=/bin",
	})
	if err != nil {
		t.Fatal(err)
	}
	keks := []config.KEK{{ID: "k1", File: "/run/secrets/kek"}, {ID: "k2", File: "/run/secrets/kek2"}}
	if diff := cmp.Diff(keks, got.Keys.KEKs); diff != "" {
		t.Error(diff)
	}
	if got.Issuer != "https://other.example.com" || got.TLS.Key != "relative.key" || got.TokenLifetime != config.Duration(90*time.Second) {
		t.Errorf("issuer %s, key %s, lifetime %s", got.Issuer, got.TLS.Key, got.TokenLifetime)
	}
	if len(got.Fetch.AllowPrivate) != 2 || got.Fetch.AllowPrivate[1].String() != "fd00::/8" {
		t.Errorf("networks %v", got.Fetch.AllowPrivate)
	}
	if diff := cmp.Diff([]string{"CERTBOUND_SERVICE_HOST"}, loaded.Unused); diff != "" {
		t.Error(diff)
	}
}

func TestEnvironmentProblemsNameTheVariable(t *testing.T) {
	file := write(t, "serve.yaml", serveYAML)
	_, _, err := config.LoadServe(file, []string{
		"CERTBOUND_LISTEN=nowhere",
		"CERTBOUND_TOKEN_LIFETIME=300",
	})
	checkError(t, file, err, `CERTBOUND_TOKEN_LIFETIME: token_lifetime: "300" is not a duration: write a number with its unit, such as 30s, 5m or 1h
CERTBOUND_LISTEN: listen: "nowhere" is not host:port`)
}

func TestProxyEnvironment(t *testing.T) {
	file := write(t, "proxy.yaml", proxyYAML)
	got, loaded, err := config.LoadProxy(file, []string{"CERTBOUND_LEEWAY=0s", "CERTBOUND_OPS_LISTEN=:0", "CERTBOUND_MAX_BODY_BYTES=5", "CERTBOUND_ROUTES_0_PATH=/other"})
	if err != nil {
		t.Fatal(err)
	}
	if got.Leeway != 0 || got.Ops.Listen != ":0" || got.MaxBodyBytes != 5 || got.Routes[0].Path != "/accounts" {
		t.Errorf("leeway %s, ops %s, route %s", got.Leeway, got.Ops.Listen, got.Routes[0].Path)
	}
	if diff := cmp.Diff([]string{"CERTBOUND_ROUTES_0_PATH"}, loaded.Unused); diff != "" {
		t.Error(diff)
	}
}
