// Package fetch is the only outbound HTTP client for addresses that come from
// input: a jwks_uri (RFC 7591 §2), later the places of CRLs, OCSP responders and
// trust bundles. Whoever registers such an address must not be able to make the
// server call its own network (RFC 7591 §5).
//
// So the address is judged after it was resolved, at the moment of connecting;
// nothing but https is spoken unless a request says otherwise, with roots that are
// configured and never the system's by default; no proxy of the environment, no
// redirect, no cookie, no compression; and the whole exchange is bounded in size
// and time, a body that drips included.
//
// It reads no database, keeps nothing between two calls and starts nothing in the
// background: when to fetch is its users' business.
package fetch
