// Package registration turns what an administrator writes into records: the bodies
// of partners, trust bundles, APIs and clients (with the vocabulary of RFC 7591 §2
// and RFC 8705 §2.1.2, §2.2.2), the rules they have to satisfy, and their
// application to the store. A file applied at a start and a request of the admin API
// are held to the same rules. It knows no HTTP.
//
// Mistakes are caught here and not at the token endpoint.
package registration
