// Package policytest tries requests on a proxy's configuration, offline. The
// proxy is the real one with the real verifier: only the issuer, the clients'
// certificates and the upstreams are stand-ins that live for one run. It listens
// nowhere, asks nobody and opens none of the files that the configuration names.
package policytest
