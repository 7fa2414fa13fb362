// Package admin turns what an administrator says into records: the registration
// bodies of partners, trust bundles, APIs and clients (with the vocabulary of
// RFC 7591 §2), the rules they have to satisfy, and their application to the
// store. Mistakes are caught here and not at the token endpoint.
package admin
