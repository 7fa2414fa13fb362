// Package admin is what administrators do. It turns what they say into records:
// the registration bodies of partners, trust bundles, APIs and clients (with the
// vocabulary of RFC 7591 §2), the rules they have to satisfy, and their
// application to the store. And it is the admin API: a handler for a listener of
// its own, at which each request needs a bound token for the admin API and the
// certificate of the stored administrator (design rule 23).
//
// Mistakes are caught here and not at the token endpoint.
package admin
