// Package explain tells why an access token would be refused, offline: it has the
// verifier of package resource make every check, and names what was seen for what
// it is. It never repeats the token or its signature.
package explain
