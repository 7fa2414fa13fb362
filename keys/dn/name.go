package dn

import (
	"slices"
	"strings"
)

// Name is a distinguished name in canonical form. It is immutable; the zero
// value is the empty DN, which equals nothing, not even itself.
type Name struct {
	rdns      []rdn // in the order of the string: the certificate's last RDN first
	canonical string
}

// rdn is a relative distinguished name, sorted by canonical form because it is
// a set. An attribute that stands in it twice counts twice.
type rdn []attribute

// attribute is one type and value.
type attribute struct {
	oid   string // dotted
	value value
}

// newName takes ownership of rdns, which are sorted and in the order of the string.
func newName(rdns []rdn) Name {
	parts := make([]string, len(rdns))
	for i, r := range rdns {
		parts[i] = r.canonical()
	}
	return Name{rdns: rdns, canonical: strings.Join(parts, ",")}
}

// Equal reports whether both are the same name. The empty DN is not equal to
// anything: the absence of a name never identifies a client.
func (n Name) Equal(other Name) bool {
	return !n.IsEmpty() && n.canonical == other.canonical
}

// IsEmpty reports whether n has no RDN, as the subject of a certificate that
// carries its names in the SAN only.
func (n Name) IsEmpty() bool { return len(n.rdns) == 0 }

// Canonical is a text that two names share exactly when they are equal: dotted
// OIDs, prepared values, sorted sets. It is for uniqueness, not for people.
func (n Name) Canonical() string { return n.canonical }

// String returns the name as an RFC 4514 string that Parse reads back as an
// equal name (as long as it is not over Parse's size limit).
func (n Name) String() string {
	parts := make([]string, len(n.rdns))
	for i, r := range n.rdns {
		parts[i] = r.String()
	}
	return strings.Join(parts, ",")
}

// newRDN sorts the attributes of a set; it takes ownership of them.
func newRDN(attributes []attribute) rdn {
	slices.SortFunc(attributes, func(a, b attribute) int { return strings.Compare(a.canonical(), b.canonical()) })
	return attributes
}

func (r rdn) canonical() string {
	parts := make([]string, len(r))
	for i, a := range r {
		parts[i] = a.canonical()
	}
	return strings.Join(parts, "+")
}

func (r rdn) String() string {
	parts := make([]string, len(r))
	for i, a := range r {
		parts[i] = a.String()
	}
	return strings.Join(parts, "+")
}

func (a attribute) canonical() string { return a.oid + "=" + a.value.canonical }

// String writes a type without a name as RFC 4514 §2.4 wants it: dotted, with
// the value as #hex.
func (a attribute) String() string {
	name, known := nameOf(a.oid)
	return name + "=" + a.value.string(known)
}
