package config_test

import (
	"path/filepath"
	"testing"

	"github.com/certbound/certbound/cmd/certbound/internal/config"
)

const examples = "../../../../examples/"

// The sample files load, show every setting, and are told apart.
func TestExamplesLoad(t *testing.T) {
	serve, _, err := config.LoadServe(examples+"serve.yaml", nil)
	if err != nil {
		t.Error(err)
	}
	proxy, _, err := config.LoadProxy(examples+"proxy.yaml", nil)
	if err != nil {
		t.Error(err)
	}
	if want := config.Path(filepath.Join(examples, "server.pem")); serve.TLS.Certificate != want || proxy.TLS.Certificate != want {
		t.Errorf("certificates %q and %q, want %q", serve.TLS.Certificate, proxy.TLS.Certificate, want)
	}
	for setting, source := range map[string]*config.Source{
		"keys.rotate_every": serve.Source, "keys.algorithm": serve.Source, "keys.jwks_max_age": serve.Source, "tls.min_version": serve.Source, "keys.keks[0].file": serve.Source,
		"ops.listen": proxy.Source, "upstream_ca": proxy.Source, "realm": proxy.Source, "max_body_bytes": proxy.Source,
		"routes[5].insecure_plaintext_upstream": proxy.Source, "routes[2].scopes.any_of": proxy.Source, "routes[4].unbound": proxy.Source,
		"routes[2].hosts": proxy.Source, "routes[2].partners": proxy.Source, "routes[2].clients": proxy.Source, "routes[1].forward_token": proxy.Source,
	} {
		at := source.Locate(setting)
		if above := source.Locate("nothing"); at == above {
			t.Errorf("the sample does not show %s", setting)
		}
	}
	for name, want := range map[string]config.Process{"serve.yaml": config.ServeProcess, "proxy.yaml": config.ProxyProcess} {
		if got, err := config.Detect(examples + name); err != nil || got != want {
			t.Errorf("Detect(%s) = %s, %v", name, got, err)
		}
	}
}
