// Package audit keeps the record of what certbound decided and of what
// administrators changed: events as types, one hash chain per instance, a
// committer that makes many events durable by one commit, and verification.
//
// No token leaves before its event is durable (design rule 16). Refusals are
// queued within a bound, so that a stranger can neither buy disk nor stop
// issuance. Events never hold keys, tokens or whole certificates.
package audit
