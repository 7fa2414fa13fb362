package oauth

// Parameter names of RFC 6749, RFC 7521 and RFC 8707.
const (
	ParamGrantType           = "grant_type"
	ParamClientID            = "client_id"
	ParamClientSecret        = "client_secret"
	ParamClientAssertion     = "client_assertion"
	ParamClientAssertionType = "client_assertion_type"
	ParamScope               = "scope"
	ParamResource            = "resource"
)

// GrantClientCredentials is the one grant certbound serves, RFC 6749 §4.4.
const GrantClientCredentials = "client_credentials"

// Paths of the endpoints below the issuer's path.
const (
	PathToken = "/oauth2/token"
	PathJWKS  = "/.well-known/jwks.json"
	// PathMetadata stands between the issuer's host and its path, RFC 8414 §3.
	PathMetadata = "/.well-known/oauth-authorization-server"
)
