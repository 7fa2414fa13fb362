package config

import (
	"net/netip"
	"os"
	"time"

	"github.com/certbound/certbound/authz/admin"
	"github.com/certbound/certbound/authz/enroll"
	"github.com/certbound/certbound/authz/keyset"
	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/keys"
	"github.com/certbound/certbound/keys/fetch"
	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/proxy"
)

// Serve is the configuration of `certbound serve`, the authorization server.
type Serve struct {
	// Version of this file's shape. Required, always 1.
	Version int `yaml:"version" env:"-"`
	// Issuer is the issuer identifier (RFC 8414 §2): an https URL without query
	// or fragment. It is the iss of every token. Required.
	Issuer string `yaml:"issuer" env:"ISSUER" reload:"restart"`
	// Listen is the host:port of the public endpoints. Default 127.0.0.1:8443.
	Listen string `yaml:"listen" env:"LISTEN" reload:"restart"`
	// TLS of the public listener. Required.
	TLS TLS `yaml:"tls" envPrefix:"TLS_"`
	// Database holds every record. Required.
	Database Database `yaml:"database" envPrefix:"DATABASE_" reload:"restart"`
	// Keys are the signing keys, and what seals them in the database. Required.
	Keys Keys `yaml:"keys" envPrefix:"KEYS_" reload:"restart"`
	// TokenLifetime is how long an access token is good for, unless its API says
	// otherwise or the certificate ends sooner. Default 5m, at most 1h.
	TokenLifetime Duration `yaml:"token_lifetime" env:"TOKEN_LIFETIME" reload:"restart"`
	// Audit says how the record of what was decided is kept.
	Audit Audit `yaml:"audit" envPrefix:"AUDIT_" reload:"restart"`
	// Fetch says how addresses are called that clients register.
	Fetch Fetch `yaml:"fetch" envPrefix:"FETCH_"`
	// Enrollment says whether and how certificates are signed for links.
	Enrollment Enrollment `yaml:"enrollment" envPrefix:"ENROLLMENT_" reload:"restart"`
	// RateLimits hold clients to their rates at the public endpoints.
	RateLimits ClientRates `yaml:"rate_limits" env:"-"`
	// Admin is the listener of the admin API. Default: none.
	Admin Admin `yaml:"admin" envPrefix:"ADMIN_" reload:"restart"`
	// Ops is the listener of /livez, /readyz and /metrics. Default: none.
	Ops Ops `yaml:"ops" envPrefix:"OPS_" reload:"restart"`
	// Seed is a file (JSON or YAML) of partners, trust bundles, APIs and clients.
	// At start what is missing of them is created and what differs is changed;
	// what the file does not name stays. Default: none.
	Seed Path `yaml:"seed" env:"SEED_FILE"`

	Source *Source `yaml:"-" env:"-"` // where the settings were read
}

// TLS configures a listener.
type TLS struct {
	// Certificate is a PEM file: the server certificate, then its intermediates. Required.
	Certificate Path `yaml:"certificate" env:"CERTIFICATE_FILE"`
	// Key is a PEM file with the private key of the certificate. Required.
	Key Path `yaml:"key" env:"KEY_FILE"`
	// MinVersion is "1.3" (default) or "1.2", which allows ECDHE-AEAD suites only.
	MinVersion string `yaml:"min_version" env:"MIN_VERSION" reload:"restart"`
}

// Database says where the records are.
type Database struct {
	// Path of the SQLite file. It is created, readable by its owner only, when
	// it does not exist. Required.
	Path Path `yaml:"path" env:"PATH"`
}

// Keys configures the signing keys and the key-encryption keys that seal them at
// rest. To replace a key-encryption key add the new one on every instance, then
// make it active, and take the old one away after a minute: what it sealed is
// sealed anew.
type Keys struct {
	// Active is the id of the key that seals new rows. Required.
	Active string `yaml:"active" env:"ACTIVE"`
	// KEKs are all keys that open rows. Required, at least the active one.
	KEKs []KEK `yaml:"keks" envPrefix:"KEKS_"`
	// Algorithm of access tokens whose API asks for none: ES256 (default), ES384,
	// EdDSA, PS256 or RS256.
	Algorithm string `yaml:"algorithm" env:"ALGORITHM"`
	// RotateEvery is how long a key signs before the next one does. Default 720h
	// (30 days); 0s means until an administrator asks.
	RotateEvery Duration `yaml:"rotate_every" env:"ROTATE_EVERY"`
	// JWKSMaxAge is how long resource servers may keep the published keys. A key is
	// published that long, and 20 s, before it signs. Set it to what the laziest of
	// them does. Default 5m, 10s to 1h.
	JWKSMaxAge Duration `yaml:"jwks_max_age" env:"JWKS_MAX_AGE"`
}

// KEK is one key-encryption key.
type KEK struct {
	// ID is the name rows remember the key by. Required.
	ID string `yaml:"id" env:"ID"`
	// File holds 32 random bytes in base64, readable by its owner only. Required.
	File Path `yaml:"file" env:"FILE"`
}

// Audit configures the record of decisions.
type Audit struct {
	// Durability is "strict" (default: no token leaves before its record is on
	// disk) or "async" (records are written behind; a crash loses the last ones).
	Durability string `yaml:"durability" env:"DURABILITY"`
	// Instance names this process's chain of events; no two that run at the same
	// time share a name. Default: the host's name.
	Instance string `yaml:"instance" env:"INSTANCE"`
	// RefusalsPerSecond bounds the refusals that are stored, 1 to 10000; more are
	// logged and counted only. Default 200.
	RefusalsPerSecond int `yaml:"refusals_per_second" env:"REFUSALS_PER_SECOND"`
	// Retention is for how long records are kept, 30d to 36500d: then they are deleted,
	// up to a signed checkpoint, of which one is made each day. Default: for ever.
	Retention Days `yaml:"retention" env:"RETENTION"`
}

// Fetch configures how the server calls addresses that come from a registration:
// the jwks_uri of clients. Only https, no proxy, no redirect, and only hosts of the
// public internet unless AllowPrivate says otherwise.
type Fetch struct {
	// Roots is a PEM file of the CAs that sign the servers of partners. Default:
	// none, and then nothing can be fetched.
	Roots Path `yaml:"roots" env:"ROOTS_FILE"`
	// SystemRoots believes the CAs of the operating system as well. Default false.
	SystemRoots bool `yaml:"system_roots" env:"SYSTEM_ROOTS"`
	// AllowPrivate are networks that may be called although they are not of the
	// public internet, such as 10.1.0.0/16. Default: none.
	AllowPrivate []netip.Prefix `yaml:"allow_private" env:"ALLOW_PRIVATE"`
	// Timeout of one call with everything. Default 10s, at most 1m.
	Timeout Duration `yaml:"timeout" env:"TIMEOUT"`
	// KeySetInterval is how often each jwks_uri is read. Default 15m, 10s to 24h.
	KeySetInterval Duration `yaml:"key_set_interval" env:"KEY_SET_INTERVAL" reload:"restart"`
	// KeySetFloor is the least time between two tries of one jwks_uri, also when its
	// client shows a certificate that is not known yet. Default 1m, 1s to 1h.
	KeySetFloor Duration `yaml:"key_set_floor" env:"KEY_SET_FLOOR" reload:"restart"`
}

// DefaultFetch is what is in force when nothing is configured.
func DefaultFetch() Fetch {
	return Fetch{
		Timeout:        Duration(fetch.DefaultTimeout),
		KeySetInterval: Duration(keyset.DefaultInterval), KeySetFloor: Duration(keyset.DefaultFloor),
	}
}

func (f *Fetch) validate(c *checker) {
	for i, network := range f.AllowPrivate {
		if network.Masked() != network {
			c.problem(index("fetch.allow_private", i), "%s has bits behind its length; the network is %s", network, network.Masked())
		}
	}
	c.within("fetch.timeout", f.Timeout, time.Second, fetch.MaxTimeout)
	c.within("fetch.key_set_floor", f.KeySetFloor, time.Second, time.Hour)
	c.within("fetch.key_set_interval", f.KeySetInterval, 10*time.Second, 24*time.Hour)
	if f.KeySetFloor > f.KeySetInterval {
		c.problem("fetch.key_set_floor", "%s is longer than key_set_interval, %s", f.KeySetFloor, f.KeySetInterval)
	}
}

// Enrollment configures /enroll, where whoever holds a link has one certificate
// signed, by a CA that `certbound ca online` has put into the database.
type Enrollment struct {
	// Enabled makes /enroll answer. Default false.
	Enabled bool `yaml:"enabled" env:"ENABLED"`
	// MaxLifetime is the longest life of a certificate, whatever its link says.
	// Default 9552h (398 days), 1h at the least.
	MaxLifetime Duration `yaml:"max_lifetime" env:"MAX_LIFETIME"`
	// PerMinute is how many requests one address may send in a minute, 1 to 6000.
	// Default 30.
	PerMinute int `yaml:"per_minute" env:"PER_MINUTE"`
}

// Admin configures the listener of the admin API. It has the certificate and the
// TLS version of the public one.
type Admin struct {
	// Listen is host:port. Default: no admin API.
	Listen string `yaml:"listen" env:"LISTEN"`
	// SecondPairOfEyes is "none" (default) or "trust_bundles": each change of a trust
	// bundle waits until another administrator approves it, the seed changes none, and
	// nobody makes the other administrator. Every instance needs the same.
	SecondPairOfEyes string `yaml:"second_pair_of_eyes" env:"SECOND_PAIR_OF_EYES"`
	// ProposalLifetime is how long such a change may be approved. Default 168h (7 days),
	// 1h to 720h.
	ProposalLifetime Duration `yaml:"proposal_lifetime" env:"PROPOSAL_LIFETIME"`
}

// The values of admin.second_pair_of_eyes.
const (
	OnePairOfEyes      = "none"
	TwoForTrustBundles = "trust_bundles"
)

// DefaultAdmin is what is in force when nothing is configured.
func DefaultAdmin() Admin {
	return Admin{SecondPairOfEyes: OnePairOfEyes, ProposalLifetime: Duration(admin.DefaultProposalLifetime)}
}

// Ops configures the listener for probes. It is plain HTTP: keep it where only
// your own systems reach it.
type Ops struct {
	// Listen is host:port; without a host it is 127.0.0.1. Default: no listener.
	Listen string `yaml:"listen" env:"LISTEN"`
	// Profiles adds /debug/pprof. Default false.
	Profiles bool `yaml:"profiles" env:"PROFILES"`
}

// Defaults of both processes. The bounds are those of the rooms that hold to them.
const (
	DefaultTokenLifetime = oauth.DefaultTokenLifetime
	DefaultLeeway        = resource.DefaultLeeway
	DefaultMaxBodyBytes  = 10 << 20
	DefaultStreamRecheck = Duration(proxy.DefaultRecheck)
)

func defaultServe() *Serve {
	return &Serve{
		Listen:        "127.0.0.1:8443",
		TokenLifetime: Duration(DefaultTokenLifetime),
		Keys:          DefaultKeys(),
		Audit:         Audit{Durability: "strict", Instance: hostname(), RefusalsPerSecond: 200},
		TLS:           TLS{MinVersion: "1.3"},
		Fetch:         DefaultFetch(),
		Enrollment:    DefaultEnrollment(),
		Admin:         DefaultAdmin(),
		RateLimits:    DefaultClientRates(),
	}
}

// DefaultEnrollment is what is in force when nothing is configured.
func DefaultEnrollment() Enrollment {
	return Enrollment{MaxLifetime: Duration(enroll.MaxLifetime), PerMinute: enroll.DefaultPerMinute}
}

// DefaultKeys are the defaults of the signing keys.
func DefaultKeys() Keys {
	return Keys{Algorithm: keys.ES256, RotateEvery: Duration(30 * 24 * time.Hour), JWKSMaxAge: Duration(keys.DefaultCacheTime)}
}

// hostname is the default instance name. A host without a name has one here.
func hostname() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "certbound"
	}
	return name
}

func (s *Serve) validate(c *checker) {
	c.version(s.Version)
	c.https("issuer", s.Issuer)
	c.address("listen", s.Listen)
	c.tls(s.TLS)
	c.required("database.path", string(s.Database.Path))
	s.Keys.validate(c)
	c.within("token_lifetime", s.TokenLifetime, time.Second, oauth.MaxTokenLifetime)
	c.oneOf("audit.durability", s.Audit.Durability, "strict", "async")
	c.required("audit.instance", s.Audit.Instance)
	if s.Audit.RefusalsPerSecond < 1 || s.Audit.RefusalsPerSecond > 10_000 {
		c.problem("audit.refusals_per_second", "%d is not from 1 to 10000", s.Audit.RefusalsPerSecond)
	}
	s.Audit.Retention.validate(c)
	s.Fetch.validate(c)
	c.within("enrollment.max_lifetime", s.Enrollment.MaxLifetime, enroll.MinLifetime, enroll.MaxLifetime)
	if s.Enrollment.PerMinute < 1 || s.Enrollment.PerMinute > 6000 {
		c.problem("enrollment.per_minute", "%d is not from 1 to 6000", s.Enrollment.PerMinute)
	}
	s.RateLimits.validate(c)
	if s.Admin.Listen != "" {
		c.address("admin.listen", s.Admin.Listen)
	}
	c.oneOf("admin.second_pair_of_eyes", s.Admin.SecondPairOfEyes, OnePairOfEyes, TwoForTrustBundles)
	c.within("admin.proposal_lifetime", s.Admin.ProposalLifetime, admin.MinProposalLifetime, admin.MaxProposalLifetime)
	c.opsAddress(s.Ops.Listen)
}

func (k *Keys) validate(c *checker) {
	c.oneOf("keys.algorithm", k.Algorithm, keys.Algorithms()...)
	c.within("keys.jwks_max_age", k.JWKSMaxAge, keys.MinCacheTime, keys.MaxCacheTime)
	if least := time.Duration(k.JWKSMaxAge) + keys.Margin; k.RotateEvery != 0 {
		c.within("keys.rotate_every", k.RotateEvery, least, 10*365*24*time.Hour)
	}
	c.required("keys.active", k.Active)
	if len(k.KEKs) == 0 {
		c.problem("keys.keks", "required: at least one key-encryption key")
		return
	}
	seen := map[string]bool{}
	for i, kek := range k.KEKs {
		at := index("keys.keks", i)
		c.required(at+".id", kek.ID)
		c.required(at+".file", string(kek.File))
		if seen[kek.ID] && kek.ID != "" {
			c.problem(at+".id", "%q is the id of an earlier key", kek.ID)
		}
		seen[kek.ID] = true
	}
	if k.Active != "" && !seen[k.Active] {
		c.problem("keys.active", "%q is not the id of any of keys.keks", k.Active)
	}
}
