package clientauth

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"

	"github.com/certbound/certbound/keys/dn"
	"github.com/certbound/certbound/storage"
)

// Candidate is a name in a certificate by which a client could be registered.
type Candidate struct {
	Matcher storage.Matcher
	Problem error // why it is of no use, or why the names of this kind cannot be read
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
			found = append(found, candidate(kind, value, leaf))
		}
	}
	return found, unseenNames(leaf)
}

// candidate holds what the certificate says to what would be registered: a name
// that could not be registered, or would not match then, is of no use.
func candidate(kind storage.MatcherKind, value string, leaf *x509.Certificate) Candidate {
	m, err := NewMatcher(kind, value)
	if err != nil {
		return Candidate{storage.Matcher{Kind: kind, Value: value}, err}
	}
	if v := matches(m, leaf); !v.ok {
		return Candidate{m, errors.New("clientauth: it would not match: " + v.detail)}
	}
	return Candidate{m, nil}
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
