// Package conformance tests certbound from outside: the real binary, over real
// TLS, with certificates minted for the purpose. A file is named for the RFC
// section it tests, and each test says with clause.Covers which clauses of
// requirements/*.yaml it covers. Every positive test has its negative twins: the
// other certificate, no certificate, another client's of the same CA.
//
// Beside them stand the tests of the house itself: who may import what, how
// large things are, that docs/reasons.md says what the code does, and that the
// README's commands do what the README shows.
//
// The package imports no package of the server: what it needs to know of it, it
// reads from the wire, from dev.json and from the log.
package conformance
