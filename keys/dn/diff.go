package dn

import (
	"fmt"
	"slices"
)

// Diff tells an operator why a certificate's name does not match the registered
// one, or returns "" when it does. It names the first RDN that differs, counted
// from the left of the RFC 4514 string.
func Diff(registered, presented Name) string {
	switch {
	case registered.Equal(presented):
		return ""
	case registered.IsEmpty():
		return "no DN is registered"
	case presented.IsEmpty():
		return "the certificate's subject is empty"
	case registered.reversed().Equal(presented):
		return fmt.Sprintf("the registered RDNs are in reverse order: an RFC 4514 string begins with the certificate's last RDN; register %q", presented)
	}
	have, got := registered.rdns, presented.rdns
	i := firstDifference(have, got)
	switch {
	case len(have) > len(got) && equalWithout(have, i, got):
		return fmt.Sprintf("RDN %d from the left: the certificate lacks %s", i+1, have[i].show())
	case len(have) < len(got) && equalWithout(got, i, have):
		return fmt.Sprintf("RDN %d from the left: the certificate also has %s", i+1, got[i].show())
	}
	return fmt.Sprintf("RDN %d from the left: registered %s, certificate has %s", i+1, showAt(have, i), showAt(got, i))
}

func (n Name) reversed() Name {
	rdns := slices.Clone(n.rdns)
	slices.Reverse(rdns)
	return newName(rdns)
}

// firstDifference returns the first index at which a and b differ; both exist
// there unless one is the beginning of the other.
func firstDifference(a, b []rdn) int {
	i := 0
	for i < min(len(a), len(b)) && a[i].canonical() == b[i].canonical() {
		i++
	}
	return i
}

// equalWithout reports whether long without its element i is short.
func equalWithout(long []rdn, i int, short []rdn) bool {
	rest := slices.Delete(slices.Clone(long), i, i+1)
	return slices.EqualFunc(rest, short, func(a, b rdn) bool { return a.canonical() == b.canonical() })
}

func showAt(rdns []rdn, i int) string {
	if i >= len(rdns) {
		return "nothing"
	}
	return rdns[i].show()
}

// show is String, with the octets of characters outside ASCII beside them.
func (r rdn) show() string {
	s := r.String()
	if ascii := escapeASCII(s); ascii != s {
		return s + " (" + ascii + ")"
	}
	return s
}
