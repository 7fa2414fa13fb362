// Package harness runs the real certbound binary for the conformance tests and
// talks to it as a stranger would: it knows dev.json, the wire, and the lines on
// standard error.
//
// [Main] builds the binary once. [Shared] is one `certbound dev` for all tests,
// on free ports, with records of its own ([Cast]) and a signing key the tests
// hold, so that they can forge. A test that needs other flags starts its own
// with [Start].
package harness
