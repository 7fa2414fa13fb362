package oauth

// Parameter names of RFC 6749, RFC 7521, RFC 8707, and of RFC 7009 and RFC 7662.
const (
	ParamGrantType           = "grant_type"
	ParamClientID            = "client_id"
	ParamClientSecret        = "client_secret"
	ParamClientAssertion     = "client_assertion"
	ParamClientAssertionType = "client_assertion_type"
	ParamScope               = "scope"
	ParamResource            = "resource"
	ParamToken               = "token"
	ParamTokenTypeHint       = "token_type_hint"
)

// Parameter names of the revocation feed.
const (
	ParamAfter = "after"
	ParamWait  = "wait"
)

// GrantClientCredentials is the one grant certbound serves, RFC 6749 §4.4.
const GrantClientCredentials = "client_credentials"

// Paths of the endpoints below the issuer's path.
const (
	PathToken       = "/oauth2/token"
	PathIntrospect  = "/oauth2/introspect"
	PathRevoke      = "/oauth2/revoke"
	PathRevocations = "/oauth2/revocations"
	PathEnroll      = "/enroll"
	PathJWKS        = "/.well-known/jwks.json"
	// PathMetadata stands between the issuer's host and its path, RFC 8414 §3.
	PathMetadata = "/.well-known/oauth-authorization-server"
)
