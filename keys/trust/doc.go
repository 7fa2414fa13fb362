// Package trust decides whether a client certificate leads to a certificate
// authority that an administrator chose for that client (RFC 8705 §2.1 and §7.4,
// RFC 5280 §6). It owns named, versioned trust bundles and path validation.
//
// There are no system roots here, in no case: a bundle trusts what it lists, and
// a bundle whose anchor the public trusts is refused. What the client sends
// along only helps to find a path. Path building itself is crypto/x509's; this
// package decides what it is given, bounds its work, and checks what it leaves
// out.
//
// It does not look at the subject (keys/dn, authz/clientauth), at revocation, or
// at self-signed clients, who have no path. It must not import resource, authz
// or storage.
package trust
