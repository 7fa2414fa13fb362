// Package keyset reads the certificates of self-signed clients from JWK sets
// (RFC 8705 §2.2.2) and keeps those that are published at a jwks_uri up to date.
//
// The certificates a client may use are those in the database: a request never
// waits for the network. A refresher reads each set when it is due, keeps the last
// good one when that fails, and brings the client's certificates to what the set
// says, in one transaction with the audit event and with what resource servers are
// told: tokens bound to a certificate that went are dead (design rule 6).
//
// It knows no HTTP: package keys/fetch calls out.
package keyset
