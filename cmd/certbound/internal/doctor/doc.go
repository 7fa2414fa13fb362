// Package doctor examines an installation from where it runs: the configuration
// and every file it names, clocks, certificates, the database, the issuer and the
// upstreams. Each finding says what was found, why it matters and how to fix it.
// It changes nothing, and never repeats what is in a key file.
package doctor
