package proxy

import (
	"net/http"
	"strings"
)

// identityHeaders are request headers by which some server learns who is
// calling, from where, or what the request "really" is. A caller may send none of
// them through us (RFC 9700 §4.13). Names are as normalName makes them.
//
// Names that applications use for data of their own (X-User-Id, X-Auth-Token,
// X-Access-Token, X-Tenant-Id) are not in the tables; the package documentation says what that
// asks of an API.
var identityHeaders = map[string]bool{
	// Who: certificates and users, as other proxies state them.
	"client-cert": true, "client-cert-chain": true, // RFC 9440
	"x-anonymous-consumer": true,                     // Kong
	"x-userinfo":           true, "x-id-token": true, // APISIX, Kong
	"x-endpoint-api-userinfo": true,                        // Google Cloud Endpoints
	"x-proxy-user":            true, "x-proxy-roles": true, // OpenSearch
	// Hop by hop (RFC 9110 §7.6.1). Where httputil has copied the header they are gone
	// before this; their look-alikes are not.
	"proxy-authorization": true, "proxy-authenticate": true, "proxy-connection": true, "keep-alive": true, "trailer": true,
	"x-spiffe-id": true, "x-certbound": true, "clientcert": true, "impersonate-user": true, "impersonate-group": true,
	// From where.
	"forwarded": true, "x-forwarded": true, "x-real-ip": true, "x-real-port": true, "true-client-ip": true,
	"client-ip":        true, // what PHP programs and their like ask for first
	"fastly-client-ip": true, "fly-client-ip": true, "do-connecting-ip": true, "proxy-client-ip": true,
	"x-azure-clientip": true, "x-azure-socketip": true, "x-cluster-client-ip": true, "x-originating-ip": true,
	"x-nf-client-connection-ip": true, "x-vercel-forwarded-for": true,
	"x-original-forwarded-for": true, "x-original-remote-addr": true,
	// What: another method, path, scheme or host than the one policy was applied to.
	"x-http-method": true, "x-http-method-override": true, "x-method-override": true,
	"x-original-url": true, "x-original-uri": true, "x-original-host": true, "x-original-method": true,
	"x-http-host-override":    true,
	"x-middleware-subrequest": true, // Next.js took it for "has been checked" (CVE-2025-29927)
	"x-rewrite-url":           true, "x-host": true, "x-scheme": true, "x-url-scheme": true, "front-end-https": true,
	// How long: what bounds the body is net/http's to write. Here they only ever are
	// look-alikes such as Content_Length, which some servers take for the real one.
	"content-length": true, "transfer-encoding": true,
	// What CGI hands to programs as HTTP_PROXY, and they take for theirs (httpoxy).
	"proxy": true,
	// The id by which the operator finds the decision is ours alone.
	"x-request-id": true,
}

// identityPrefixes are whole families of such headers.
var identityPrefixes = []string{
	"x-certbound-",
	"x-forwarded-", // also Envoy's x-forwarded-client-cert and Traefik's x-forwarded-tls-client-cert
	// Certificates: Apache, nginx, F5, AWS, Azure, Cloudflare, WebLogic.
	"x-ssl-", "ssl-client-", "x-tls-", "x-mtls-", "x-client-", "x-amzn-mtls-", "x-arr-",
	"cf-client-cert-", "cf-cert-", "wl-proxy-",
	// Users, as gateways and single sign-on state them: CGI and Authelia (remote-),
	// Kubernetes (x-remote-), oauth2-proxy (x-auth-request-), Kong (x-consumer-,
	// x-credential-, x-authenticated-), Grafana (x-webauth-), AWS (x-amzn-oidc-),
	// Google (x-goog-, x-apigateway-, x-appengine-), Azure (x-ms-), WSO2 (x-jwt-),
	// mod_auth_openidc (oidc-), Shibboleth, SiteMinder (sm-user), Oracle (oam-), IBM (iv-).
	"remote-", "x-remote-", "x-auth-request-", "x-auth-user", "x-authenticated-", "x-authentik-", "x-webauth-", "x-vouch-",
	"x-consumer-", "x-credential-", "x-jwt-", "oidc-", "shib-", "sm-user", "oam-", "iv-",
	"x-amzn-oidc-", "x-apigateway-", "x-appengine-", "x-goog-authenticated-", "x-goog-iap-",
	"x-ms-client-principal", "x-ms-token-", "cf-access-", "tailscale-", "teleport-", "x-pomerium-",
	// Where from, and what the mesh decided.
	"cf-connecting-", "x-envoy-", "l5d-",
	// WebSphere and Liberty: $WSCC, $WSRU, $WSRA…, by which their plugin states
	// certificate, user and address. '$' is a separator here.
	"-ws",
	// gRPC: what grpc-gateway says it got over HTTP.
	"grpcgateway-",
}

// prefixesFrom are the same by their first byte: most headers begin with none of them.
var prefixesFrom = func() (from [256][]string) {
	for _, prefix := range identityPrefixes {
		from[prefix[0]] = append(from[prefix[0]], prefix)
	}
	return from
}()

// grpcMetadata is what grpc-gateway takes off a name before it hands the header on:
// behind it anything can stand.
const grpcMetadata = "grpc-metadata-"

// longestName bounds how much of a header name is looked at; everything in the
// two tables is shorter, so a name that was cut equals none of them.
const longestName = 32

// isIdentityHeader reports whether a server behind us could take name for one of
// the tables above. CGI and its heirs fold '-' and '_' (and some '.'), so every
// byte that is no letter or digit counts as '-'.
func isIdentityHeader(name string) bool {
	var buf [longestName]byte
	normal := normalName(buf[:0], name)
	if identityHeaders[string(normal)] {
		return true
	}
	if len(normal) >= len(grpcMetadata) && string(normal[:len(grpcMetadata)]) == grpcMetadata {
		rest := name[len(grpcMetadata):]
		return isIdentityHeader(rest) || strings.EqualFold(rest, "Authorization")
	}
	if len(normal) == 0 {
		return false
	}
	for _, prefix := range prefixesFrom[normal[0]] {
		if len(normal) >= len(prefix) && string(normal[:len(prefix)]) == prefix {
			return true
		}
	}
	return false
}

// normalName appends the first bytes of name in lower case, with every separator
// as '-'. It works in the caller's buffer because it runs for each header of each
// request.
func normalName(dst []byte, name string) []byte {
	for i := 0; i < min(len(name), longestName); i++ {
		c := name[i]
		switch {
		case 'a' <= c && c <= 'z' || '0' <= c && c <= '9':
		case 'A' <= c && c <= 'Z':
			c |= 0x20
		default:
			c = '-'
		}
		dst = append(dst, c)
	}
	return dst
}

// withoutIdentity returns the headers of a request that may go on, sharing their
// values, with room for more others.
func withoutIdentity(in http.Header, forwardToken, upgrade bool, more int) http.Header {
	out := make(http.Header, len(in)+more)
	for name, values := range in {
		switch {
		case isIdentityHeader(name), strings.EqualFold(name, "Upgrade") && !upgrade:
		case strings.EqualFold(name, "Authorization") && !forwardToken:
		default:
			out[name] = values
		}
	}
	return out
}

// stripAnswer removes from an answer, or from its trailers, what no upstream may
// say: identities, and our request id.
func stripAnswer(h http.Header) {
	for name := range h {
		if isReservedAnswer(name) {
			delete(h, name)
		}
	}
}

// isReservedAnswer is narrower than isIdentityHeader: most of those names mean
// nothing in an answer, and an API's answer is its own business.
func isReservedAnswer(name string) bool {
	var buf [longestName]byte
	normal := normalName(buf[:0], name)
	switch {
	case string(normal) == "client-cert", string(normal) == "client-cert-chain", string(normal) == "x-request-id":
		return true
	}
	return strings.HasPrefix(string(normal), "x-certbound-")
}
