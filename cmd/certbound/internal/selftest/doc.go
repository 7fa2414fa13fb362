// Package selftest attacks a running deployment the way a thief of tokens would,
// and reports every attack that was not refused. It has one client's certificate
// and needs nothing else; it changes nothing but that it obtains tokens for that
// client, and leaves refusals in logs. The number of requests and the time they
// may take are bounded.
package selftest
