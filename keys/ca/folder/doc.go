// Package folder keeps a small certificate authority in a directory: a root and
// its intermediates, their keys encrypted at rest (age, by passphrase or to
// recipients), what each has signed and what was taken back.
//
// Every change is one file replaced as a whole, durable before anything that rests
// on it is handed out: a certificate stands in the record before anybody gets it, a
// CRL number is used once. One process at a time works in a directory. What a
// certificate says is package ca's business. It must not depend on authz, resource
// or storage.
package folder
