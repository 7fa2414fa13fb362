// Package foreign holds tests that let programs of other makers meet certbound:
// clients that obtain and use a bound token, an authorization server whose bound
// tokens our verifier and proxy read, a resource server that reads ours. Each does
// what it is there for with the right certificate and is refused with the wrong
// one and with none.
//
// The peers are real processes, found on the machine (curl, openssl, Python,
// Java, Apache) or installed with `npm ci` from testdata/node. What is not there
// is skipped, and a skip is a failure in CI (.ci/run installs everything). What
// was seen stands in docs/interop.md, which [TestInterop] compares.
//
// Beside the binary the tests use package resource, as an API owner would, and no
// other package of the server.
package foreign
