package audit

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

// Kind says what happened.
type Kind string

// The kinds of events.
const (
	TokenIssued          Kind = "token.issued"
	TokenRefused         Kind = "token.refused"
	TokenRevoked         Kind = "token.revoked"
	TokensRevoked        Kind = "tokens.revoked" // so many of a client, one by one, that all of its tokens end
	RevocationRefused    Kind = "revocation.refused"
	IntrospectionRefused Kind = "introspection.refused"
	FeedRefused          Kind = "feed.refused"
	CertificateRevoked   Kind = "certificate.revoked"
	CertificateRetired   Kind = "certificate.retired"  // it is accepted until a given time
	CertificateEnrolled  Kind = "certificate.enrolled" // signed here for a link
	CertificateRenewed   Kind = "certificate.renewed"  // signed here for the one before
	EnrollmentCreated    Kind = "enrollment.created"
	EnrollmentCancelled  Kind = "enrollment.cancelled"
	EnrollmentRefused    Kind = "enrollment.refused"
	EnrollmentIssuerSet  Kind = "enrollment_issuer.set" // a CA went online
	EnrollmentIssuerGone Kind = "enrollment_issuer.removed"
	ClientDisabled       Kind = "client.disabled"
	ClientEnabled        Kind = "client.enabled"
	KeyPublished         Kind = "key.published"      // it is in the JWK set and does not sign yet
	KeyRotationAsked     Kind = "key.rotation_asked" // it is going to sign as soon as it may
	KeyRotated           Kind = "key.rotated"        // it signs from now on
	KeyRetired           Kind = "key.retired"        // it signs no more, and is published until its last token is over
	KeyRevoked           Kind = "key.revoked"        // it is refused everywhere
	KeyRemoved           Kind = "key.removed"        // nobody needs it any more
	KeySetChanged        Kind = "key_set.changed"    // certificates came or went at a client's jwks_uri
	KeySetFailed         Kind = "key_set.failed"     // the first time in a row
	KeySetRecovered      Kind = "key_set.recovered"  // read again after failures
	PartnerCreated       Kind = "partner.created"
	PartnerChanged       Kind = "partner.changed"
	PartnerLocked        Kind = "partner.locked"
	PartnerRestored      Kind = "partner.restored"
	ClientCreated        Kind = "client.created"
	ClientChanged        Kind = "client.changed"
	CertificateAdded     Kind = "certificate.added"
	CertificateRemoved   Kind = "certificate.removed"
	APICreated           Kind = "api.created"
	APIChanged           Kind = "api.changed"
	APIDeleted           Kind = "api.deleted"
	TrustBundleCreated   Kind = "trust_bundle.created"
	TrustBundleChanged   Kind = "trust_bundle.changed"
	TrustBundleRetired   Kind = "trust_bundle.retired"
	ProposalCreated      Kind = "trust_proposal.created" // a change of a trust bundle that another administrator has to approve
	ProposalApproved     Kind = "trust_proposal.approved"
	ProposalRejected     Kind = "trust_proposal.rejected"
	ProposalWithdrawn    Kind = "trust_proposal.withdrawn"
	AdministratorAdded   Kind = "administrator.added"
	AdminRefused         Kind = "admin.refused"
	CheckpointSigned     Kind = "audit.checkpoint"
	TrailPruned          Kind = "audit.pruned" // events up to a checkpoint were given up
)

// Event is one thing that happened.
type Event struct {
	Time       time.Time
	Kind       Kind
	Reason     decision.Reason // empty when it was allowed
	Partner    string          // whom it concerns
	Client     string
	Actor      string // who did it, when that is another than Client
	Thumbprint thumbprint.Thumbprint
	TokenID    string
	RequestID  string
	Detail     any // marshals to a JSON object; nil is {}, a json.RawMessage stands as it is

	// Registration is the version of the registration the event rests on
	// (storage.RegistrationReader); 0 means any. It is not stored: [Recorder.Record]
	// fails with [ErrOutdated] when it is no longer the database's.
	Registration int64
}

// record renders an event for storage; its place in the chain comes later.
func (e *Event) record() (storage.AuditEvent, error) {
	detail := []byte("{}")
	if written, ok := e.Detail.(json.RawMessage); ok {
		detail = written // by the decision itself: reading it again would prove nothing
	} else if e.Detail != nil {
		var err error
		if detail, err = json.Marshal(e.Detail); err != nil {
			return storage.AuditEvent{}, fmt.Errorf("audit: detail of %s: %w", e.Kind, err)
		}
	}
	return storage.AuditEvent{
		Time: e.Time.UTC().Truncate(time.Second), Kind: string(e.Kind), Reason: string(e.Reason),
		PartnerID: valid(e.Partner), ClientID: valid(e.Client), Actor: valid(e.Actor), Thumbprint: e.Thumbprint,
		TokenID: valid(e.TokenID), RequestID: e.RequestID, Detail: string(detail),
	}, nil
}

// valid makes UTF-8 of a text that may be a stranger's: events are hashed and stored
// in the same words, and one that cannot be stored would take others with it.
func valid(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }
