package registration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/certbound/certbound/authz/clientauth"
	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/storage"
)

// Client is the body of a client, in the vocabulary of RFC 7591 §2 and
// RFC 8705 §2.1.2, §2.2.2.
type Client struct {
	ClientID   string             `yaml:"client_id" json:"client_id,omitempty" doc:"1 to 128 visible ASCII characters, never changes; generated when absent."`
	PartnerID  string             `yaml:"partner_id" json:"partner_id"`
	ClientName string             `yaml:"client_name" json:"client_name,omitempty"`
	AuthMethod storage.AuthMethod `yaml:"token_endpoint_auth_method" json:"token_endpoint_auth_method"`

	// Exactly one of the five for tls_client_auth, none otherwise.
	SubjectDN string `yaml:"tls_client_auth_subject_dn" json:"tls_client_auth_subject_dn,omitempty"`
	SANDNS    string `yaml:"tls_client_auth_san_dns" json:"tls_client_auth_san_dns,omitempty"`
	SANURI    string `yaml:"tls_client_auth_san_uri" json:"tls_client_auth_san_uri,omitempty"`
	SANIP     string `yaml:"tls_client_auth_san_ip" json:"tls_client_auth_san_ip,omitempty"`
	SANEmail  string `yaml:"tls_client_auth_san_email" json:"tls_client_auth_san_email,omitempty"`
	// TrustBundle names the bundle the client is pinned to (RFC 8705 §7.4).
	TrustBundle string `yaml:"trust_bundle" json:"trust_bundle,omitempty"`

	// JWKS registers the certificates of a self_signed_tls_client_auth client,
	// one in the x5c of each key.
	JWKS *JWKS `yaml:"jwks" json:"jwks,omitempty"`
	// JWKSURI is where the client publishes them instead: an https URL that is read
	// in the background. Certificates read from an earlier address go at once.
	JWKSURI string `yaml:"jwks_uri" json:"jwks_uri,omitempty"`

	// RegisteredOnly refuses certificates of a tls_client_auth client that are not on
	// record, although its trust bundle and subject value would accept them.
	RegisteredOnly bool `yaml:"registered_only" json:"registered_only,omitempty"`

	Scope    string `yaml:"scope" json:"scope,omitempty"` // space-separated
	Disabled bool   `yaml:"disabled" json:"disabled,omitempty"`
}

// ClientRecord is a client to be stored, with the certificates it is to have.
type ClientRecord struct {
	Client       storage.Client
	Certificates []CertificateRecord
}

// Record is the client to be stored with the certificates it is to have, and what is
// wrong with the body on any day. See [ClientRecord.JudgeNew] for the checks of the
// day.
func (c Client) Record(now time.Time) (ClientRecord, Faults) {
	var all Faults
	if !oauth.ValidClientID(c.ClientID) {
		all.Add("client_id", fmt.Errorf("client_id must be 1 to %d characters of visible ASCII", oauth.MaxClientIDLength))
	} else if dots(c.ClientID) {
		all.Add("client_id", errDots("client_id"))
	}
	all.Add("partner_id", checkID("partner_id", c.PartnerID))
	all.Add("client_name", CheckName("client_name", c.ClientName))
	scopes, refusal := oauth.ParseScope(c.Scope)
	if refusal != nil {
		all.Add("scope", errors.New("scope does not follow the grammar of RFC 6749 §3.3"))
	}
	record := ClientRecord{Client: storage.Client{
		ID: c.ClientID, PartnerID: c.PartnerID, Name: c.ClientName, Method: c.AuthMethod,
		Scopes: scopes, Disabled: c.Disabled, CreatedAt: now, UpdatedAt: now,
	}}
	var more Faults
	switch c.AuthMethod {
	case storage.TLSClientAuth:
		record.Client.TrustBundle, record.Client.RegisteredOnly = c.TrustBundle, c.RegisteredOnly
		record.Client.Matcher, more = c.matcher()
	case storage.SelfSignedTLSClientAuth:
		if c.RegisteredOnly {
			more.Add("registered_only", errors.New("registered_only belongs to tls_client_auth; self-signed certificates always are"))
		}
		record.Client.JWKSURI = c.JWKSURI
		certificates, found := c.certificates(now)
		record.Certificates, more = certificates, append(more, found...)
	default:
		more.Add("token_endpoint_auth_method", fmt.Errorf("token_endpoint_auth_method must be %s or %s", storage.TLSClientAuth, storage.SelfSignedTLSClientAuth))
	}
	return record, append(all, more...)
}

// reserved is what a registration cannot give: an administrator is made by another
// one.
func (c Client) reserved() (all Faults) {
	scopes, _ := oauth.ParseScope(c.Scope) // record tells
	for _, scope := range scopes {
		if strings.HasPrefix(scope, AdminScopes) {
			all.Add("scope", fmt.Errorf("scope %q is reserved for administrators", scope))
		}
	}
	return all
}

// subjectValues are the members of which a tls_client_auth client has exactly
// one, RFC 8705 §2.1.2.
func (c Client) subjectValues() []storage.Matcher {
	all := []storage.Matcher{
		{Kind: storage.SubjectDN, Value: c.SubjectDN},
		{Kind: storage.SANDNS, Value: c.SANDNS},
		{Kind: storage.SANURI, Value: c.SANURI},
		{Kind: storage.SANIP, Value: c.SANIP},
		{Kind: storage.SANEmail, Value: c.SANEmail},
	}
	return slices.DeleteFunc(all, func(m storage.Matcher) bool { return m.Value == "" })
}

func (c Client) matcher() (m storage.Matcher, all Faults) {
	values := c.subjectValues()
	if len(values) != 1 {
		member := "token_endpoint_auth_method" // it asks for what is not there
		if len(values) > 1 {
			member = "tls_client_auth_" + string(values[1].Kind)
		}
		all.Add(member, fmt.Errorf("tls_client_auth needs exactly one tls_client_auth_* subject value, not %d (RFC 8705 §2.1.2)", len(values)))
	}
	if c.JWKS != nil {
		all.Add("jwks", errors.New("jwks belongs to self_signed_tls_client_auth"))
	}
	if c.JWKSURI != "" {
		all.Add("jwks_uri", errors.New("jwks_uri belongs to self_signed_tls_client_auth"))
	}
	if c.TrustBundle == "" {
		all.Add("token_endpoint_auth_method", errors.New("tls_client_auth needs a trust_bundle (RFC 8705 §7.4)"))
	}
	if len(values) == 1 {
		var err error
		m, err = clientauth.NewMatcher(values[0].Kind, values[0].Value)
		all.Add("tls_client_auth_"+string(values[0].Kind), err)
	}
	return m, all
}

// EnsureClient creates or changes a client, and takes away the certificates it
// is no longer to be known by. What it refers to has been asked for, with
// [MissingReferences] or [CheckReferences].
func EnsureClient(ctx context.Context, tx storage.Tx, wanted ClientRecord) error {
	want := wanted.Client
	have, err := tx.Client(ctx, want.ID)
	if errors.Is(err, storage.ErrNotFound) {
		return tx.CreateClient(ctx, want)
	}
	if err != nil {
		return err
	}
	if have.PartnerID != want.PartnerID {
		return fmt.Errorf("belongs to partner %q; a client never changes its partner", have.PartnerID)
	}
	removed, err := removeCertificates(ctx, tx, have, wanted)
	if err != nil {
		return err
	}
	same := have.Name == want.Name && have.Method == want.Method && have.Matcher == want.Matcher &&
		have.TrustBundle == want.TrustBundle && have.JWKSURI == want.JWKSURI && have.RegisteredOnly == want.RegisteredOnly &&
		slices.Equal(have.Scopes, want.Scopes) && have.Disabled == want.Disabled
	if same && !removed {
		return nil
	}
	want.Generation, want.Version = have.Generation, have.Version
	if removed || lessens(have, want) {
		want.Generation++ // tokens issued before are dead, design rule 11
	}
	if err := tx.UpdateClient(ctx, want); err != nil || want.Generation == have.Generation {
		return err
	}
	return DenyGeneration(ctx, tx, want.ID, want.Generation, want.UpdatedAt)
}

// lessens reports whether a client that had a token as have could not get it as
// want.
func lessens(have, want storage.Client) bool {
	return want.Disabled && !have.Disabled || want.Method != have.Method || want.Matcher != have.Matcher ||
		want.TrustBundle != have.TrustBundle || want.RegisteredOnly && !have.RegisteredOnly || len(Without(have.Scopes, want.Scopes)) > 0
}
