package registration

import (
	"fmt"

	"github.com/certbound/certbound/storage"
)

// firsts finds what only one record of a registration may have. The store has
// the same rules, but for a repeated id, of which it would take the last.
type firsts map[[2]string]string // kind and value → the record that has it

// repeats notes that record i of a list has value. It is an error when another
// one has it, or when this one has it twice.
func (f firsts) repeats(kind, value, list string, i int) error {
	if value == "" {
		return nil // a problem of its own
	}
	key, here := [2]string{kind, value}, fmt.Sprintf("%s[%d]", list, i)
	switch was, taken := f[key]; {
	case !taken:
		f[key] = here
		return nil
	case was == here:
		return fmt.Errorf("%s %q is there twice", kind, value)
	default:
		return fmt.Errorf("%s %q is in %s already", kind, value, was)
	}
}

func (f firsts) ofAPI(a storage.API, i int) (all Faults) {
	all.Add("id", f.repeats("API", a.ID, "apis", i))
	all.Add("audience", f.repeats("audience", a.Audience, "apis", i))
	for _, scope := range a.Scopes {
		all.Add("scopes", f.repeats("scope", scope, "apis", i))
	}
	return all
}

func (f firsts) ofClient(c ClientRecord, i int) (all Faults) {
	all.Add("client_id", f.repeats("client", c.Client.ID, "clients", i))
	if m := c.Client.Matcher; m.Canonical != "" {
		// Unique per trust bundle, design rule 5.
		kind := "trust bundle " + c.Client.TrustBundle + ": tls_client_auth_" + string(m.Kind)
		all.Add("tls_client_auth_"+string(m.Kind), f.repeats(kind, m.Canonical, "clients", i))
	}
	for n, certificate := range c.Certificates {
		all.Add(JWKSKey(n), f.repeats("certificate", certificate.Record.Thumbprint.String(), "clients", i))
	}
	return all
}
