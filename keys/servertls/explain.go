package servertls

import (
	"crypto/tls"
	"fmt"
	"strconv"
	"strings"
)

// explanations turn the start of a crypto/tls error into what it means for the
// person who reads the log. The first that fits is taken.
var explanations = []struct{ prefix, detail string }{
	{"client sent an HTTP request to an HTTPS server", "client spoke plain HTTP; this listener speaks HTTPS only"},
	{"tls: first record does not look like a TLS handshake", "client did not speak TLS"},
	{"tls: no cipher suite supported by both client and server", "client offered no cipher suite that is accepted here: with TLS 1.2 only ECDHE with AES-GCM or ChaCha20-Poly1305 is"},
	{"tls: no key exchanges supported by both client and server", "client offered no key exchange group that is accepted here"},
	{"tls: client requested unsupported application protocols", "client offered no application protocol (ALPN) that is spoken here: h2 and http/1.1 are"},
	{"tls: failed to parse client certificate", "client sent a certificate that cannot be parsed"},
	{"tls: client sent certificate containing RSA key larger", "client sent a certificate with an RSA key too large to be checked"},
	{"tls: client certificate contains an unsupported public key", "client sent a certificate with a kind of key that is not supported"},
	{"tls: client certificate used with invalid signature algorithm", "client signed the handshake with an algorithm that is not accepted"},
	{"tls: invalid signature by the client certificate", "client did not prove possession of its certificate's private key"},
	{"remote error: tls: unknown certificate authority", "client does not trust the CA of this server's certificate"},
	{"remote error: tls: expired certificate", "client says this server's certificate has expired"},
	{"remote error: tls: bad certificate", "client refused this server's certificate: its name or its CA is not the one expected"},
	{"EOF", "client closed the connection during the handshake"},
}

// explain returns a sentence for the cause of a failed handshake, or the cause
// itself when there is nothing to add.
func explain(cause string, minVersion uint16) string {
	if offered, ok := strings.CutPrefix(cause, "tls: client offered only unsupported versions: "); ok {
		return explainVersions(offered, minVersion)
	}
	for _, e := range explanations {
		if strings.HasPrefix(cause, e.prefix) {
			return e.detail
		}
	}
	switch {
	case strings.HasSuffix(cause, "i/o timeout"):
		return "client did not finish the handshake in time"
	case strings.HasSuffix(cause, "connection reset by peer"):
		return "client reset the connection during the handshake"
	}
	return strings.TrimPrefix(cause, "tls: ")
}

// explainVersions names the versions in a list such as "[303 302]".
func explainVersions(offered string, minVersion uint16) string {
	var names []string
	for _, hex := range strings.Fields(strings.Trim(offered, "[]")) {
		version, err := strconv.ParseUint(hex, 16, 16)
		if err != nil {
			continue
		}
		// Clients mix in numbers without a meaning (RFC 8701).
		if name := tls.VersionName(uint16(version)); !strings.HasPrefix(name, "0x") {
			names = append(names, name)
		}
	}
	if names == nil {
		names = []string{"versions that are not known"}
	}
	required := tls.VersionName(minVersion)
	if minVersion < tls.VersionTLS13 {
		required += " or later"
	}
	return fmt.Sprintf("client offered only %s; this listener requires %s", strings.Join(names, ", "), required)
}
