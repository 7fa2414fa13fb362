// Package orphans ends the tokens of certificates that lose the authority they rest
// on. A token lives for minutes after it was issued; when a trust bundle loses an
// authority, those of its certificates are refused everywhere within a second, like
// those of a client that was disabled: the client's generation is raised in the
// transaction that changes the bundle (design rule 11). What every other client of
// the bundle holds stays good.
//
// Which certificates may have live tokens is known from package sightings, which has
// each on record before its first token leaves. It must not depend on an endpoint.
package orphans
