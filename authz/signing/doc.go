// Package signing keeps the signing keys of the authorization server alive: it
// rotates them by schedule and on demand, revokes one in an emergency, and writes
// the audit event and the entry of the revocation feed in the transaction that
// changes the key. What a key's life looks like is package keys' business; this
// package joins it to the store and to the audit trail.
package signing
