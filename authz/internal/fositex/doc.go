// Package fositex is the only package that imports ory/fosite. It runs fosite's
// client-credentials grant handler (RFC 6749 §4.4) behind a function that knows
// nothing of fosite: parsing, client authentication, answers and storage are
// not fosite's here (shared facts: its own edges are lenient, its last release
// is of 2024), and none of its types leaves this package or is stored.
package fositex
