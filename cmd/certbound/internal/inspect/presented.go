package inspect

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/certbound/certbound/authz/certinfo"
)

// presentTimeout bounds how long a server may take for its handshake.
const presentTimeout = 10 * time.Second

// IsAddress reports whether a text is a host and the number of a port.
func IsAddress(text string) bool {
	host, port, err := net.SplitHostPort(text)
	n, number := strconv.ParseUint(port, 10, 16)
	return err == nil && host != "" && number == nil && n > 0
}

// Presented returns the certificates that a TLS server presents at host:port, its own
// first. Nobody verifies them, and nothing is sent. A server that wants a client
// certificate may refuse the handshake; what it has presented by then is returned.
func Presented(ctx context.Context, address string) (*certinfo.File, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("inspect: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, presentTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("inspect: %w", err)
	}
	defer conn.Close()
	var presented []*x509.Certificate
	client := tls.Client(conn, &tls.Config{
		ServerName:         host,
		InsecureSkipVerify: true, //nolint:gosec // whatever it presents is what is asked for
		MinVersion:         tls.VersionTLS10,
		VerifyConnection: func(state tls.ConnectionState) error {
			presented = state.PeerCertificates
			return nil
		},
	})
	if err := client.HandshakeContext(ctx); err != nil && len(presented) == 0 {
		return nil, fmt.Errorf("inspect: %s presents no certificate: %w", address, err)
	}
	if len(presented) == 0 {
		return nil, errors.New("inspect: " + address + " presents no certificate")
	}
	return &certinfo.File{Certificates: presented}, nil
}
