// Package vectors makes the test vectors that are published beside it as JSON, for
// other implementations of RFC 8705: tokens and the certificates they are used
// with, mutated signatures, names, and thumbprints, each with the verdict. What is
// in the files and how to use them stands in README.md.
//
// The same program makes the same octets each time: keys are derived from their
// names and signatures need no randomness. It shares no code with what it tests.
package vectors
