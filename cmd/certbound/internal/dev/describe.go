package dev

import (
	"net/netip"
	"os"
	"time"

	"github.com/certbound/certbound/authz/admin"
	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/resource/revokefeed"
)

// describe fills in dev.json.
func (s *Server) describe(l *listeners) {
	issuer, proxy := origin(l.authz), origin(l.proxy)
	upstreamURL := "http://" + l.upstream.Addr().String()
	credentials := func(id string) Credentials {
		return Credentials{ClientID: id, Cert: "pki/" + id + ".pem", Key: "pki/" + id + ".key"}
	}
	s.Info = Info{
		Issuer: issuer, TokenEndpoint: issuer + "/oauth2/token", JWKSURI: issuer + "/.well-known/jwks.json",
		Introspection: issuer + "/oauth2/introspect", Revocation: issuer + "/oauth2/revoke",
		Admin: origin(l.admin), AdminAudience: admin.Audience(issuer), AdminClient: credentials(administrator.id),
		Proxy: proxy, Ops: "http://" + l.ops.Addr().String(), Audience: proxy,
		Upstream: Upstream{URL: upstreamURL, Hits: upstreamURL + "/hits"},
		CA:       "pki/ca.pem",
		RSClient: credentials(resourceServer.id),
		Routes:   []Route{{"GET", "/accounts", []string{readScope}}, {"POST", "/accounts", []string{writeScope}}},
		PID:      os.Getpid(),
		dir:      s.options.Dir,
	}
	for _, name := range []string{partnersBundle, globexBundle} {
		s.Info.TrustBundles = append(s.Info.TrustBundles, Bundle{name, "pki/" + name + ".pem", "pki/" + name + ".key"})
	}
	for _, spec := range specs {
		c := Client{
			ClientID: spec.id, Partner: spec.partner, Method: "self_signed_tls_client_auth", TrustBundle: spec.bundle,
			Cert: credentials(spec.id).Cert, Key: credentials(spec.id).Key, Scopes: spec.scopes,
		}
		if spec.match != "" {
			c.Method, c.Match = "tls_client_auth", map[string]string{spec.match: spec.value}
		}
		s.Info.Clients = append(s.Info.Clients, c)
	}
}

// configs are what serve.yaml and proxy.yaml would say.
func (s *Server) configs(l *listeners) (*config.Serve, *config.Proxy) {
	tls := config.TLS{
		Certificate: config.Path(s.file("pki/server.pem")), Key: config.Path(s.file("pki/server.key")), MinVersion: "1.3",
	}
	lifetime := s.options.TokenLifetime
	if lifetime == 0 {
		lifetime = config.DefaultTokenLifetime
	}
	serve := &config.Serve{
		Version: 1, Issuer: s.Info.Issuer, Listen: l.authz.Addr().String(), TLS: tls,
		Database:      config.Database{Path: config.Path(s.file("certbound.db"))},
		Keys:          s.keys(),
		TokenLifetime: config.Duration(lifetime),
		Seed:          config.Path(s.options.Seed),
		Audit:         config.Audit{Durability: "strict", Instance: "dev", RefusalsPerSecond: 200},
		Fetch:         config.DefaultFetch(),
		Enrollment:    config.DefaultEnrollment(),
		Admin:         config.DefaultAdmin(),
	}
	// Whoever tries a jwks_uri has its server here, and does not want to wait.
	serve.Fetch.Roots = config.Path(s.file(s.Info.CA))
	serve.Fetch.AllowPrivate = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	serve.Fetch.KeySetInterval, serve.Fetch.KeySetFloor = config.Duration(time.Minute), config.Duration(time.Second)
	proxy := &config.Proxy{
		Version: 1, Listen: l.proxy.Addr().String(), TLS: tls, Issuer: s.Info.Issuer,
		IssuerCA: config.Path(s.file(s.Info.CA)), Audience: s.Info.Audience, Leeway: config.Duration(s.options.Leeway),
		MaxBodyBytes: config.DefaultMaxBodyBytes, StreamRecheck: config.DefaultStreamRecheck, ResourceMetadata: true,
		Revocations: config.Revocations{
			ClientID: s.Info.RSClient.ClientID, MaxStaleness: config.Duration(revokefeed.DefaultMaxStaleness),
			Certificate: config.Path(s.file(s.Info.RSClient.Cert)), Key: config.Path(s.file(s.Info.RSClient.Key)),
		},
	}
	for _, r := range s.Info.Routes {
		proxy.Routes = append(proxy.Routes, config.Route{
			Path: r.Path, Methods: []string{r.Method}, Scopes: config.Scopes{AllOf: r.Scopes}, Upstream: s.Info.Upstream.URL,
		})
	}
	return serve, proxy
}

// keys are the defaults of serve, with dev's own key-encryption key.
func (s *Server) keys() config.Keys {
	keys := config.DefaultKeys()
	keys.Active, keys.KEKs = "dev", []config.KEK{{ID: "dev", File: config.Path(s.file("kek"))}}
	keys.Algorithm = signingAlgorithm(s.options.SigningKey)
	keys.RotateEvery = config.Duration(s.options.RotateEvery)
	if s.options.JWKSMaxAge != 0 {
		keys.JWKSMaxAge = config.Duration(s.options.JWKSMaxAge)
	}
	return keys
}
