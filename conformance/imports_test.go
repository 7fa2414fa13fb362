package conformance

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

const module = "github.com/certbound/certbound"

// importRule says what the packages that match may import of this module. The
// first rule that matches a package is its rule. Patterns are relative to the
// module; "x/..." is x and everything below it.
type importRule struct {
	packages []string
	may      []string
	testsMay []string // in addition, in _test.go files
	reason   string
}

// The leaves that a user of the verifier library pulls in.
var verifierLeaves = []string{
	"resource/accesstoken", "resource/decision", "resource/jwks", "resource/revokefeed",
	"resource/introspection", "keys/thumbprint", "keys/peercert",
}

// What every endpoint package of the authorization server may build on.
var authzBase = []string{
	"authz/oauth", "authz/audit", "authz/rates", "storage", "keys/...",
	"resource/accesstoken", "resource/decision", "resource/revokefeed",
}

// What tests of the server need to have a database, and to check a token that
// was issued with the verifier that will read it.
var serverTests = []string{"keys/keystest", "storage/sqlite", "storage/storagetest", "resource", "authz/internal/authztest", "authz/issued", "authz/signing"}

var importRules = []importRule{
	{[]string{"keys/thumbprint"}, nil, []string{"keys/keystest"},
		"the thumbprint is the value both halves agree on; it needs the standard library only"},
	{[]string{"resource/decision"}, nil, nil,
		"the decision is the vocabulary of both halves; it needs the standard library only"},
	{[]string{"keys/peercert"}, []string{"keys/thumbprint"}, []string{"keys/keystest", "keys/ca"},
		"peercert is linked into the verifier library and must stay small"},
	// The key ring's race for the first key is tested on a real database.
	{[]string{"keys"}, []string{"keys/..."}, []string{"storage", "storage/sqlite"},
		"keys declare the small store they need; the adapter lives in authz"},
	{[]string{"keys/..."}, []string{"keys/..."}, nil,
		"keys/* return typed errors, which authz and resource turn into reasons; they know neither protocol nor database"},
	{[]string{"ratelimit"}, nil, nil,
		"rates are counted by name; what a name is, is the business of who counts"},
	{[]string{"resource/proxy"}, []string{"resource", "resource/...", "keys/...", "ratelimit"}, []string{"keys/keystest"},
		"the proxy is a thin user of the verifier; it needs no part of the authorization server"},
	{[]string{"resource/grpcverifier"}, append([]string{"resource"}, verifierLeaves...), []string{"keys/keystest"},
		"interceptors are an island: whoever does not serve gRPC must not pull it in"},
	{[]string{"resource/..."}, append([]string{"resource"}, verifierLeaves...), []string{"keys/keystest", "keys/ca"},
		"an API owner who imports the verifier must pull in a handful of packages and no server"},
	{[]string{"authz/tokenclient"}, []string{"keys/thumbprint"}, []string{"keys/keystest", "keys/ca"},
		"the token source is for clients; it must not pull in the server"},
	{[]string{"authz/token"}, append([]string{"authz/clientauth", "authz/internal/fositex", "authz/registry"}, authzBase...), serverTests,
		"only the token endpoint authenticates clients and uses the grant handler"},
	{[]string{"authz/admin/document"}, nil, nil,
		"it describes Go types and reads JSON; it knows no record and no protocol"},
	{[]string{"authz/admin/etag"}, nil, nil,
		"it compares what is shown; it knows no record"},
	{[]string{"authz/admin/idempotency"}, []string{"storage"}, serverTests,
		"it keeps answers beside the change they are about; it knows no record"},
	{[]string{"authz/admin/refusal"}, append([]string{"authz/admin/document", "authz/registration", "resource"}, authzBase...), serverTests,
		"it puts what the verifier, the authenticator, the store and the rules of records say into one answer"},
	{[]string{"authz/admin/listing"}, append([]string{"authz/admin/refusal"}, authzBase...), nil,
		"it pages whatever it is given; it knows no record"},
	{[]string{"authz/certinfo"}, append([]string{"authz/clientauth"}, authzBase...), serverTests,
		"it says what the matchers of clientauth see in a certificate, for the admin API and the command line"},
	{[]string{"authz/enroll"}, append([]string{"authz/clientauth"}, authzBase...), serverTests,
		"a renewal is authenticated like a token request"},
	{[]string{"authz/rates"}, []string{"authz/oauth", "ratelimit", "resource/decision"}, nil,
		"a rate is asked about a client's name; it knows no endpoint and no record"},
	{[]string{"authz/orphans"}, append([]string{"authz/sightings"}, authzBase...), serverTests,
		"whose tokens a trust bundle takes along is known from what was seen"},
	{[]string{"authz/sightings"}, []string{"storage", "keys/thumbprint", "keys/peercert"}, serverTests,
		"it stands beside the token endpoint and knows records only"},
	{[]string{"authz/registration"}, append([]string{"authz/clientauth", "authz/keyset", "authz/orphans"}, authzBase...), serverTests,
		"it registers what clientauth can match, from files and for the admin API; it knows no HTTP"},
	{[]string{"authz/admin"}, append([]string{"authz/clientauth", "authz/enroll", "authz/registration", "authz/admin/...", "authz/certinfo", "authz/keyset", "authz/orphans", "resource"}, authzBase...), append([]string{"conformance/contract"}, serverTests...),
		"the admin API checks its own tokens with our own verifier"},
	{[]string{"authz/revoke", "authz/introspect"}, append([]string{"authz/clientauth", "authz/issued"}, authzBase...), serverTests,
		"every endpoint that answers clients shares one authenticator and one reading of our own tokens"},
	{[]string{"authz/internal/authztest"}, []string{"..."}, nil,
		"what the tests of the endpoints have in common"},
	{[]string{"authz/..."}, authzBase, serverTests,
		"endpoint packages do not import each other; only authz wires them"},
	{[]string{"storage/storagetest"}, []string{"storage", "keys/thumbprint"}, nil,
		"the storage contract is a suite over the interface; it knows no driver"},
	{[]string{"storage/internal/sqlstore"}, []string{"storage", "keys/thumbprint"}, []string{"storage/...", "migrations"},
		"the queries are written once and know no driver"},
	{[]string{"storage/sqlite", "storage/postgres"}, []string{"storage", "storage/internal/sqlstore", "migrations"},
		[]string{"storage/storagetest", "keys/thumbprint"},
		"a driver opens, pools and classifies errors, nothing else"},
	{[]string{"storage"}, []string{"keys/thumbprint"}, nil,
		"records and interfaces; a driver or protocol here would reach everybody"},
	{[]string{"migrations"}, nil, []string{"storage/..."},
		"embedded SQL and its runner; it knows no record"},
	{[]string{"conformance/foreign"}, []string{"conformance/..."}, []string{"keys/keystest", "resource"},
		"foreign issuers' tokens are shown to the verifier as its users have it; all else is black-box"},
	{[]string{"conformance/..."}, []string{"conformance/...", "keys/keystest"}, nil,
		"conformance is black-box: the binary and test certificates, no server package"},
	{[]string{"docs"}, nil, nil,
		"pages that the program shows; they know nothing"},
	{[]string{"cmd/..."}, []string{"..."}, nil,
		"commands join the parts"},
	{[]string{"examples/..."}, []string{"resource", "resource/...", "authz/tokenclient"}, []string{"keys/keystest"},
		"examples show what users import"},
}

// authzRoot is the one package that may import all of authz; importRules cannot
// say "authz but not below it" and the like, so it has its own rule.
var authzRoot = importRule{[]string{"authz"}, append([]string{"authz/...", "resource", "ratelimit"}, authzBase...), serverTests,
	"authz wires its endpoint packages to storage and keys"}

// soleImporters names libraries that are confined to a package.
var soleImporters = []struct {
	library string
	in      []string
	testsIn []string // in addition, in _test.go files
	reason  string
}{
	{"github.com/ory/", []string{"authz/internal/fositex"}, nil,
		"fosite is frozen upstream, links 250 packages and does not conform by itself"},
	{"github.com/golang-migrate/migrate", []string{"migrations"}, nil,
		"migrations run in one place, on a handle of their own"},
	{"modernc.org/sqlite", []string{"storage/sqlite", "migrations"}, []string{"storage/internal/sqlstore", "conformance"},
		"the driver and its error codes stay in the driver's package"},
	{"github.com/go-ldap/ldap", []string{"keys/dn"}, nil,
		"it reads registered DN strings and accepts too much; keys/dn refuses the rest"},
	{"github.com/spiffe/", []string{"authz/clientauth"}, nil,
		"a SPIFFE ID is one kind of registered URI; the verifier library compares thumbprints and must not link it"},
	{"pgregory.net/rapid", nil, []string{"..."}, "properties are for tests"},
	{"filippo.io/age", []string{"keys/ca/folder"}, nil,
		"files are encrypted with age, rows in envelopes"},
	{"github.com/zmap/", nil, []string{"keys/ca"}, "certificates are linted in tests"},
	{"github.com/tink-crypto/", []string{"keys"}, nil,
		"envelope encryption is the key ring's business"},
	{"golang.org/x/crypto/x509roots", []string{"keys/trust"}, nil,
		"the public roots are there to be refused, never to be trusted"},
	{"github.com/gorilla/mux", []string{"resource/proxy", "authz", "authz/..."}, nil,
		"the verifier library leaves routing to its user"},
	{"google.golang.org/grpc", []string{"resource/grpcverifier"}, nil,
		"users of the verifier must not pull in gRPC"},
	{"github.com/spf13/", []string{"cmd/..."}, nil, "flags are read by commands, packages get a Config"},
	{"github.com/goccy/go-yaml", []string{"cmd/...", "authz/registration", "conformance/..."}, nil, "files are decoded by commands, and registrations by their package; packages get a Config"},
	{"github.com/danielgtaylor/huma", []string{"authz/admin/document"}, nil, "of huma only schemas are used; its router would read bodies before anybody asked who calls"},
	{"github.com/santhosh-tekuri/jsonschema", []string{"conformance/contract"}, nil, "answers are held against the document by another reader than the one that wrote it"},
	{"github.com/caarlos0/env", []string{"cmd/..."}, nil, "the environment is read by commands, packages get a Config"},
	{"github.com/prometheus/", []string{"cmd/certbound/internal/ops"}, []string{"conformance"}, "packages offer plain numbers and hooks; the one command decides who watches"},
	{"golang.org/x/oauth2", nil, []string{"conformance/foreign"}, "somebody else's client, to be met in a test; ours is authz/tokenclient"},
	{"golang.org/x/tools", []string{"conformance"}, nil, "only this test reads the source of the module"},
}

// matches reports whether the module-relative path is one of the patterns.
func matches(path string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if below, ok := strings.CutSuffix(p, "..."); ok {
			below = strings.TrimSuffix(below, "/")
			return below == "" || path == below || strings.HasPrefix(path, below+"/")
		}
		return path == p
	})
}

func ruleFor(path string) (importRule, bool) {
	if path == authzRoot.packages[0] {
		return authzRoot, true
	}
	i := slices.IndexFunc(importRules, func(r importRule) bool { return matches(path, r.packages) })
	if i < 0 {
		return importRule{}, false
	}
	return importRules[i], true
}

// source is one package of the module as the import tests see it.
type source struct {
	path    string // relative to the module
	name    string
	files   []string
	imports []string // of this variant of the package
	test    bool     // the variant that includes _test.go files, or the _test package
}

// loadSources lists the packages of the module, each in its plain and its test
// variant.
func loadSources(t *testing.T) []source {
	t.Helper()
	loaded, err := packages.Load(&packages.Config{
		Mode:  packages.NeedName | packages.NeedFiles | packages.NeedImports | packages.NeedForTest,
		Dir:   "..",
		Tests: true,
	}, "./...")
	if err != nil {
		t.Fatalf("list the packages of the module: %v", err)
	}
	var all []source
	for _, p := range loaded {
		if strings.HasSuffix(p.ID, ".test") { // the generated test main
			continue
		}
		for _, e := range p.Errors {
			t.Errorf("%s: %v", p.ID, e)
		}
		path := strings.TrimSuffix(p.PkgPath, "_test")
		s := source{path: relative(path), name: p.Name, files: p.GoFiles, test: p.ForTest != ""}
		for imported := range p.Imports {
			s.imports = append(s.imports, imported)
		}
		slices.Sort(s.imports)
		all = append(all, s)
	}
	if len(all) == 0 {
		t.Fatal("no packages found")
	}
	return all
}

func relative(path string) string {
	if path == module {
		return "."
	}
	return strings.TrimPrefix(path, module+"/")
}

func TestImportDirections(t *testing.T) {
	t.Parallel()
	for _, s := range loadSources(t) {
		rule, ok := ruleFor(s.path)
		if !ok {
			t.Errorf("%s has no import rule: add it to the table, with its reason", s.path)
			continue
		}
		for _, imported := range s.imports {
			if !strings.HasPrefix(imported, module+"/") {
				continue
			}
			path := relative(imported)
			allowed := path == s.path || matches(path, rule.may) || s.test && matches(path, rule.testsMay)
			if !allowed {
				t.Errorf("%s must not import %s: %s", s.path, path, rule.reason)
			}
		}
	}
}

func TestOnlyCommandsImportAuthz(t *testing.T) {
	t.Parallel()
	for _, s := range loadSources(t) {
		inside := matches(s.path, []string{"authz/...", "cmd/..."})
		if !inside && slices.Contains(s.imports, module+"/authz") {
			t.Errorf("%s must not import authz: only cmd assembles the server", s.path)
		}
	}
}

func TestConfinedLibraries(t *testing.T) {
	t.Parallel()
	for _, s := range loadSources(t) {
		for _, lib := range soleImporters {
			if matches(s.path, lib.in) || s.test && matches(s.path, lib.testsIn) {
				continue
			}
			for _, imported := range s.imports {
				if strings.HasPrefix(imported, lib.library) {
					t.Errorf("%s must not import %s (only %s): %s", s.path, imported, strings.Join(lib.in, ", "), lib.reason)
				}
			}
		}
	}
}

func TestTestCodeStaysInTests(t *testing.T) {
	t.Parallel()
	testCode := []string{"keys/keystest", "storage/storagetest", "authz/internal/authztest", "conformance/..."}
	for _, s := range loadSources(t) {
		if s.test || matches(s.path, testCode) {
			continue
		}
		for _, imported := range s.imports {
			if imported == "testing" || strings.HasPrefix(imported, module+"/") && matches(relative(imported), testCode) {
				t.Errorf("%s must not import %s outside of tests: it would be linked into the product", s.path, imported)
			}
		}
	}
}

// TestVerifierIsSmall counts what an API owner pulls in with the verifier.
func TestVerifierIsSmall(t *testing.T) {
	t.Parallel()
	loaded, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedImports | packages.NeedDeps | packages.NeedModule, Dir: "..",
	}, "./resource")
	if err != nil {
		t.Fatalf("load resource: %v", err)
	}
	var foreign []string
	packages.Visit(loaded, nil, func(p *packages.Package) {
		if p.Module != nil && p.Module.Path != module {
			foreign = append(foreign, p.PkgPath)
		}
	})
	slices.Sort(foreign)
	for _, path := range foreign {
		if !strings.HasPrefix(path, "github.com/go-jose/go-jose/v4") {
			t.Errorf("resource pulls in %s: outside the module it may use std and go-jose v4 only", path)
		}
	}
	const most = 5
	if len(foreign) > most {
		t.Errorf("resource pulls in %d packages of other modules, more than %d: %v", len(foreign), most, foreign)
	}
}
