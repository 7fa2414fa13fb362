// Package enroll signs certificates for clients whose team has no CA. An
// administrator makes a link; whoever holds it sends a certificate request to
// /enroll once, and gets a certificate whose names, bundle and lifetime the link has
// fixed. A client renews with the certificate it has, for the same identity only.
//
// The link's secret stands in the URL's fragment, which no browser, proxy or server
// log sees, travels in a POST body only, and is stored as a hash. It is consumed in
// the transaction that stores the certificate. A stranger learns nothing: every
// secret that is not good gets one answer.
//
// Who signs is a name-constrained intermediate, one for each trust bundle, whose key
// is sealed under the key-encryption key (design rule 17). The root of it is
// elsewhere.
package enroll
