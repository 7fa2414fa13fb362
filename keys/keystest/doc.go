// Package keystest mints certificates in tests: good ones, and every kind of
// wrong one that certbound has to refuse. Nothing is read from disk, so no test
// breaks when a committed certificate expires.
//
// It is for tests only and says so by asking for a [testing.TB]; an error in
// minting ends the test. Production minting is package ca.
package keystest
