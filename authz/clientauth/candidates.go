package clientauth

import (
	"crypto/x509"
	"encoding/asn1"

	"github.com/certbound/certbound/keys/dn"
	"github.com/certbound/certbound/storage"
)

// Candidate is a name in a certificate by which a client could be registered.
type Candidate struct {
	Matcher storage.Matcher
	Problem error // why it cannot be registered, or why the names of this kind cannot be read
}

// preference is the order of [Candidates]: names made for machines before names
// that a CA may also give to people, and addresses, which move, last.
var preference = []storage.MatcherKind{
	storage.SANURI, storage.SANDNS, storage.SubjectDN, storage.SANEmail, storage.SANIP,
}

// Candidates lists the names of a certificate as the five subject values of
// RFC 8705 §2.1.2 see them, best first. unseen counts the subject alternative
// names of kinds that none of them looks at.
func Candidates(leaf *x509.Certificate) (found []Candidate, unseen int) {
	for _, kind := range preference {
		values, err := namesOf(kind, leaf)
		if err != nil {
			found = append(found, Candidate{storage.Matcher{Kind: kind}, err})
		}
		for _, value := range values {
			m, err := NewMatcher(kind, value)
			m.Kind, m.Value = kind, value
			found = append(found, Candidate{m, err})
		}
	}
	return found, unseenNames(leaf)
}

// namesOf is what the rule of a kind sees; of the subject, the RFC 4514 string to
// register instead of its canonical form.
func namesOf(kind storage.MatcherKind, leaf *x509.Certificate) ([]string, error) {
	if kind != storage.SubjectDN {
		return matcherRules[kind].seen(leaf)
	}
	name, err := dn.FromDER(leaf.RawSubject)
	if err != nil || name.IsEmpty() {
		return nil, err
	}
	return []string{name.String()}, nil
}

func unseenNames(leaf *x509.Certificate) (count int) {
	names, err := generalNames(leaf)
	if err != nil {
		return 0
	}
	for _, name := range names {
		switch {
		case name.Class != asn1.ClassContextSpecific:
			count++
		case name.Tag != tagURI && name.Tag != tagDNS && name.Tag != tagEmail && name.Tag != tagIP:
			count++
		}
	}
	return count
}
