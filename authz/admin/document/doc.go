// Package document describes an API in OpenAPI 3.1, from the Go types of its bodies,
// and holds what callers send against the same description: what the document does
// not show is not accepted.
//
// It uses the schema half of huma and not its router: the admin API decides who may
// call before it reads a body, refuses repeated members and deep or badly encoded
// JSON, and writes its refusals itself. It knows no record and no HTTP.
package document
