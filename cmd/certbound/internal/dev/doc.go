// Package dev is `certbound dev`: a whole certbound on loopback, with throwaway
// keys and a demo API behind the proxy. It owns the layout of the directory it
// runs in and the file dev.json, by which scripts and tests find everything.
//
// The servers are made by internal/process from the same configuration values
// that `serve` and `proxy` read from files. Only the PKI, the records and the
// demo API are dev's own.
package dev
