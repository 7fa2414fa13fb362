// Package accesstoken is the one place that knows what an access token looks
// like: the authorization server writes its claims with [Claims.Marshal], and
// the resource server reads them with [Decode] and [Parse]. Both go through one
// table of claims, so that neither half can forget one.
//
// The format is the JWT access token of RFC 9068 with the confirmation of
// RFC 8705 §3.1 and two private claims, partner and gen. Reading is strict
// where a lenient reader could be shown another token than a strict one
// (RFC 8725 §2.6, §3.7): compact serialization with canonical base64url, UTF-8
// without byte order mark, case-sensitive names, no duplicates. A token that was
// read here is not verified yet.
//
// The package chooses no key and signs nothing: [Compact.Verify] asks go-jose about
// a key it is given. It imports the standard library, go-jose and keys/thumbprint.
package accesstoken
