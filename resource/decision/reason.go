package decision

import "net/http"

// Reason is the stable, lower-snake-case name of why a request was refused.
// The set is documented in docs/reasons.md; a test keeps the two equal.
type Reason string

// What is wrong with the request itself.
const (
	RequestMalformed      Reason = "request_malformed"
	ParameterRepeated     Reason = "parameter_repeated"
	GrantUnsupported      Reason = "grant_unsupported"
	ScopeInsufficient     Reason = "scope_insufficient"
	ScopeNotGranted       Reason = "scope_not_granted"
	TargetInvalid         Reason = "target_invalid"
	RequestTooLarge       Reason = "request_too_large"
	MethodNotAllowed      Reason = "method_not_allowed"
	RouteUnknown          Reason = "route_unknown"
	MisdirectedRequest    Reason = "misdirected_request"
	RateLimited           Reason = "rate_limited"
	StorageUnavailable    Reason = "storage_unavailable"
	SigningUnavailable    Reason = "signing_unavailable"
	AuditUnavailable      Reason = "audit_unavailable"
	IssuerKeysUnavailable Reason = "issuer_keys_unavailable"
	RevocationsStale      Reason = "revocations_stale"
	UpstreamUnreachable   Reason = "upstream_unreachable"
	UpstreamTimeout       Reason = "upstream_timeout"
	InternalError         Reason = "internal_error"

	IntrospectionUnavailable Reason = "introspection_unavailable"
)

// Why no certificate was signed at /enroll.
const (
	EnrollmentMalformed Reason = "enrollment_malformed"
	EnrollmentRefused   Reason = "enrollment_refused"
	EnrollmentMismatch  Reason = "enrollment_mismatch"
	RequestRefused      Reason = "certificate_request_refused"
	PrivateKeySent      Reason = "private_key_sent"
)

// What is wrong with the client certificate, as far as it can be said of the
// certificate and its chain.
const (
	CertificateMissing     Reason = "certificate_missing"
	CertificateMalformed   Reason = "certificate_malformed"
	CertificateExpired     Reason = "certificate_expired"
	CertificateNotYetValid Reason = "certificate_not_yet_valid"
	CertificateWeak        Reason = "certificate_weak"
	CertificateUntrusted   Reason = "certificate_untrusted"
	ChainIncomplete        Reason = "chain_incomplete"
	CertificateWrongUsage  Reason = "certificate_wrong_usage"
	CertificateRevoked     Reason = "certificate_revoked"
	CertificateRetired     Reason = "certificate_retired"
	RetiredBundle          Reason = "retired_bundle"
)

// Why the authorization server does not believe the client. The caller sees
// ClientAuthenticationFailed for each of them; the operator sees which.
const (
	ClientAuthenticationFailed Reason = "client_authentication_failed"
	ClientUnknown              Reason = "client_unknown"
	ClientDisabled             Reason = "client_disabled"
	MethodMismatch             Reason = "method_mismatch"
	MultipleCredentials        Reason = "multiple_credentials"
	SubjectMismatch            Reason = "subject_mismatch"
	CertificateNotRegistered   Reason = "certificate_not_registered"
)

// What a client may not do, although it is who it says.
const (
	TokenOfAnotherClient Reason = "token_of_another_client"
	NotAResourceServer   Reason = "not_a_resource_server"
	ClientNotAllowed     Reason = "client_not_allowed"
)

// What is wrong with an access token, or with the hands that hold it.
const (
	TokenMissing       Reason = "token_missing"
	TokenMalformed     Reason = "token_malformed"
	AlgorithmRefused   Reason = "algorithm_refused"
	TypeRefused        Reason = "type_refused"
	KeyUnknown         Reason = "key_unknown"
	SignatureInvalid   Reason = "signature_invalid"
	IssuerMismatch     Reason = "issuer_mismatch"
	AudienceMismatch   Reason = "audience_mismatch"
	TokenExpired       Reason = "token_expired"
	TokenNotYetValid   Reason = "token_not_yet_valid"
	TokenUnbound       Reason = "token_unbound"
	TokenRevoked       Reason = "token_revoked"
	TokenInactive      Reason = "token_inactive"
	ThumbprintMismatch Reason = "thumbprint_mismatch"
)

// Answer is what a caller gets for a reason: the HTTP status, the error code of
// RFC 6749 §5.2 or RFC 6750 §3.1, a constant description, and the reason the
// caller may see (which is not always the one the operator sees).
type Answer struct {
	Status      int
	Error       string
	Description string
	Public      Reason
}

// answer builds an Answer whose reason is public as it is.
func answer(status int, code, description string) Answer {
	return Answer{Status: status, Error: code, Description: description}
}

// clientFailure is the one answer for every failure that depends on what is
// registered: a caller must not learn from it which clients exist or what they
// are matched by.
func clientFailure() Answer {
	return Answer{
		Status: http.StatusUnauthorized, Error: "invalid_client", Public: ClientAuthenticationFailed,
		Description: "client authentication failed; the operator of the authorization server can look up the reason by this request_id",
	}
}

// atAuthorizationServer is the table of answers of the token endpoint and its
// sisters (RFC 6749 §5.2).
var atAuthorizationServer = map[Reason]Answer{
	RequestMalformed:   answer(400, "invalid_request", "send an application/x-www-form-urlencoded POST in UTF-8 with client_id and what else the endpoint needs (grant_type, or token), each with a value"),
	ParameterRepeated:  answer(400, "invalid_request", "a parameter is sent more than once"),
	GrantUnsupported:   answer(400, "unsupported_grant_type", "only grant_type=client_credentials is supported"),
	ScopeNotGranted:    answer(400, "invalid_scope", "a requested scope is malformed, unknown, or not granted to this client for this API"),
	TargetInvalid:      answer(400, "invalid_target", "the request must lead to exactly one API: name one known API in resource, or ask for scopes of one API"),
	RequestTooLarge:    answer(413, "invalid_request", "the request body is too large"),
	MethodNotAllowed:   answer(405, "invalid_request", "this endpoint does not answer this HTTP method; see the Allow header"),
	RouteUnknown:       answer(404, "not_found", "there is no such endpoint"),
	StorageUnavailable: answer(503, "temporarily_unavailable", "the authorization server cannot reach its database; try again later"),
	SigningUnavailable: answer(503, "temporarily_unavailable", "the authorization server has no usable signing key; try again later"),
	AuditUnavailable:   answer(503, "temporarily_unavailable", "the authorization server cannot record what it would do, so it does not do it; try again later"),
	InternalError:      answer(500, "server_error", "the authorization server failed; its operator can look up the cause by this request_id"),

	CertificateMissing:     answer(401, "invalid_client", "no client certificate was presented in the TLS handshake"),
	CertificateMalformed:   answer(401, "invalid_client", "the client certificate or its chain cannot be used"),
	CertificateExpired:     answer(401, "invalid_client", "the client certificate has expired or is about to"),
	CertificateNotYetValid: answer(401, "invalid_client", "the client certificate is not valid yet; check the clocks"),
	CertificateWeak:        answer(401, "invalid_client", "the client certificate has a weak key or signature: RSA needs 2048 bits or more, EC P-256 or better, SHA-256 or better"),

	MultipleCredentials:        {Status: 400, Error: "invalid_request", Description: "exactly one client authentication mechanism may be used: the client certificate", Public: ClientAuthenticationFailed},
	ClientAuthenticationFailed: clientFailure(),
	CertificateUntrusted:       clientFailure(),
	ChainIncomplete:            clientFailure(),
	CertificateWrongUsage:      clientFailure(),
	CertificateRevoked:         clientFailure(),
	RetiredBundle:              clientFailure(),
	ClientUnknown:              clientFailure(),
	ClientDisabled:             clientFailure(),
	MethodMismatch:             clientFailure(),
	SubjectMismatch:            clientFailure(),
	CertificateNotRegistered:   clientFailure(),

	CertificateRetired: clientFailure(),

	RateLimited:         answer(429, "temporarily_unavailable", "too many requests; come back after the seconds in Retry-After"),
	EnrollmentMalformed: answer(400, "invalid_request", "send one JSON object with csr and, to use a link, its secret, as application/json in UTF-8"),
	EnrollmentRefused:   answer(403, "access_denied", "no certificate is signed for this; ask for a new link"),
	EnrollmentMismatch:  answer(422, "invalid_request", "the certificate request names something else than the client this is for; leave the names out, the certificate gets the right ones"),
	RequestRefused:      answer(422, "invalid_request", "the certificate request cannot be accepted: it must be one PEM block CERTIFICATE REQUEST, signed by its own strong key, and ask for no more than a client certificate"),
	PrivateKeySent:      answer(422, "invalid_request", "a private key was sent, which must never leave the machine it was made on: consider it lost, make a new one, and send the certificate request alone"),

	TokenOfAnotherClient: answer(400, "unauthorized_client", "the token was issued to another client; only the client it was issued to can revoke it"),
	NotAResourceServer:   answer(403, "access_denied", "only a client that is registered as a resource server of an API may read the revocation feed"),
}

// atResourceServer is the table of answers of the verifier, the middleware and
// the proxy (RFC 6750 §3.1). The caller holds the token, so reasons are public.
var atResourceServer = map[Reason]Answer{
	RequestMalformed:      answer(400, "invalid_request", "the request is ambiguous or malformed: send one canonical path and exactly one Authorization header"),
	RequestTooLarge:       answer(413, "invalid_request", "the request is too large"),
	MethodNotAllowed:      answer(405, "method_not_allowed", "this route does not answer this HTTP method; see the Allow header"),
	RouteUnknown:          answer(404, "not_found", "there is no such route"),
	MisdirectedRequest:    answer(421, "misdirected_request", "the request names another host than the TLS handshake of its connection; open a connection for that host"),
	RateLimited:           answer(429, "rate_limited", "too many requests; come back after the seconds in Retry-After"),
	IssuerKeysUnavailable: answer(503, "temporarily_unavailable", "the issuer's signing keys cannot be fetched; try again later"),
	RevocationsStale:      answer(503, "temporarily_unavailable", "the authorization server cannot be asked what it has revoked; try again later"),
	UpstreamUnreachable:   answer(502, "bad_gateway", "the upstream API did not answer"),
	UpstreamTimeout:       answer(504, "gateway_timeout", "the upstream API did not answer in time"),
	InternalError:         answer(500, "server_error", "the resource server failed; its operator can look up the cause by this request_id"),
	ScopeInsufficient:     answer(403, "insufficient_scope", "the access token lacks a scope this route needs"),
	ClientNotAllowed:      answer(403, "access_denied", "this route is not for the client or partner of the access token"),

	IntrospectionUnavailable: answer(503, "temporarily_unavailable", "the authorization server cannot be asked about the access token; try again later"),

	CertificateMissing:     answer(401, "invalid_token", "the access token is bound to a client certificate and none was presented in the TLS handshake"),
	CertificateMalformed:   answer(401, "invalid_token", "the client certificate or its chain cannot be used"),
	CertificateExpired:     answer(401, "invalid_token", "the client certificate has expired"),
	CertificateNotYetValid: answer(401, "invalid_token", "the client certificate is not valid yet; check the clocks"),
	CertificateWeak:        answer(401, "invalid_token", "the client certificate has a weak key or signature"),
	CertificateRevoked:     answer(401, "invalid_token", "the client certificate has been revoked"),
	ClientDisabled:         answer(401, "invalid_token", "the client has been disabled, or its tokens revoked, since the access token was issued"),

	TokenMissing:       answer(401, "invalid_request", "send the access token in one Authorization header: Bearer TOKEN"),
	TokenMalformed:     answer(401, "invalid_token", "the access token is not a well-formed signed JWT access token"),
	AlgorithmRefused:   answer(401, "invalid_token", "the access token is signed with an algorithm that is not accepted here"),
	TypeRefused:        answer(401, "invalid_token", "the token is not an access token: its typ header is not at+jwt"),
	KeyUnknown:         answer(401, "invalid_token", "the access token is signed by a key the issuer does not publish"),
	SignatureInvalid:   answer(401, "invalid_token", "the signature of the access token does not verify"),
	IssuerMismatch:     answer(401, "invalid_token", "the access token was issued by another authorization server"),
	AudienceMismatch:   answer(401, "invalid_token", "the access token was issued for another API"),
	TokenExpired:       answer(401, "invalid_token", "the access token has expired; ask for a new one"),
	TokenNotYetValid:   answer(401, "invalid_token", "the access token is not valid yet; check the clocks"),
	TokenUnbound:       answer(401, "invalid_token", "the access token is not bound to a client certificate"),
	TokenRevoked:       answer(401, "invalid_token", "the access token has been revoked; ask for a new one"),
	TokenInactive:      answer(401, "invalid_token", "the authorization server says that the access token is not active; ask for a new one"),
	ThumbprintMismatch: answer(401, "invalid_token", "the access token is bound to another client certificate than the one presented"),
}

// AtAuthorizationServer is the answer of the authorization server for r. A
// reason it never gives is answered as InternalError, so that no mistake in the
// code opens a door.
func (r Reason) AtAuthorizationServer() Answer { return lookUp(atAuthorizationServer, r) }

// AtResourceServer is the answer of the resource server for r. A reason it
// never gives is answered as InternalError.
func (r Reason) AtResourceServer() Answer { return lookUp(atResourceServer, r) }

func lookUp(table map[Reason]Answer, r Reason) Answer {
	a, ok := table[r]
	if !ok {
		r, a = InternalError, table[InternalError]
	}
	if a.Public == "" {
		a.Public = r
	}
	return a
}
