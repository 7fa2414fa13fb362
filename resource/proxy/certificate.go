package proxy

import (
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/certbound/certbound/keys/peercert"
)

// Identity is how the upstream learns of the caller's certificate. Client, partner
// and scopes stand in X-Certbound-* in any case.
type Identity struct {
	// Certificate is the header it stands in; "" means ClientCert.
	Certificate CertificateHeader
	// Chain adds the intermediates that the caller sent. Nobody has verified them: the
	// resource server looks at the leaf alone.
	Chain bool
}

// CertificateHeader is a way to tell a certificate to an upstream.
type CertificateHeader string

// The ways.
const (
	ClientCert    CertificateHeader = "client-cert" // Client-Cert, and Client-Cert-Chain (RFC 9440)
	XFCC          CertificateHeader = "xfcc"        // X-Forwarded-Client-Cert, as Envoy writes it
	NoCertificate CertificateHeader = "none"        // not at all
)

func (i Identity) check() error {
	switch i.Certificate {
	case "", ClientCert, XFCC:
		return nil
	case NoCertificate:
		if !i.Chain {
			return nil
		}
		return fmt.Errorf("proxy: a chain without its certificate says nothing")
	}
	return fmt.Errorf("proxy: %q is no way to tell an upstream a certificate", i.Certificate)
}

// set writes the certificate into the headers of the upstream's request.
func (i Identity) set(h http.Header, peer *peercert.Peer) {
	if peer == nil {
		return
	}
	switch i.Certificate {
	case "", ClientCert:
		h.Set("Client-Cert", peer.Binary())
		if i.Chain && len(peer.Intermediates) > 0 {
			parts := make([]string, len(peer.Intermediates))
			for n, cert := range peer.Intermediates {
				parts[n] = peercert.Binary(cert)
			}
			h.Set("Client-Cert-Chain", strings.Join(parts, ", "))
		}
	case XFCC:
		h.Set("X-Forwarded-Client-Cert", xfcc(peer, i.Chain))
	}
}

// xfcc is one element of Envoy's header: what it calls Hash, Cert, Chain, Subject,
// URI and DNS, in that order. By, the proxy's own name, is left out.
func xfcc(peer *peercert.Peer, chain bool) string {
	var b strings.Builder
	b.WriteString("Hash=" + hex.EncodeToString(peer.Thumbprint[:]))
	leaf := urlPEM(peer.Leaf.Raw)
	b.WriteString(";Cert=\"" + leaf + "\"")
	if chain && len(peer.Intermediates) > 0 {
		b.WriteString(";Chain=\"" + leaf)
		for _, cert := range peer.Intermediates {
			b.WriteString(urlPEM(cert.Raw))
		}
		b.WriteByte('"')
	}
	b.WriteString(";Subject=" + quoted(peer.Subject()))
	for _, uri := range peer.Leaf.URIs {
		b.WriteString(";URI=" + quoted(uri.String()))
	}
	for _, name := range peer.Leaf.DNSNames {
		b.WriteString(";DNS=" + quoted(name))
	}
	return b.String()
}

// urlPEM is a certificate in PEM, percent-encoded whole: some readers take "+" for
// a blank and some do not.
func urlPEM(der []byte) string {
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return strings.ReplaceAll(url.QueryEscape(string(text)), "+", "%20")
}

// quoted makes a value that cannot begin another member or element, whatever the
// certificate's issuer wrote into a name. What cannot stand in a header is
// replaced.
func quoted(value string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			b.WriteByte('?')
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
