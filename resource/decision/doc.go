// Package decision holds the vocabulary in which both halves of certbound say
// what they decided: a [Decision] is allow or refuse, with a stable [Reason] and
// the [Evidence] it rests on. Response, log line, audit event and metric are
// views of that one value.
//
// The package depends on the standard library only, because everything that
// imports the verifier pulls it in.
package decision
