package admin

import (
	"net/http"
	"slices"

	"github.com/certbound/certbound/authz/admin/document"
	"github.com/certbound/certbound/authz/registration"
)

// endpoint serves one call that was authorized.
type endpoint func(h *Handler, c *call) (*answer, error)

// route is one method of one path. Without a scope it is for everybody.
type route struct {
	method, path, scope string
	serve               endpoint
	doc                 operation
}

// operation is what the served document says of a route, and what the handler holds
// its requests to.
type operation struct {
	id, summary string
	body        any   // of the request: a value of its type; nil: none
	optional    bool  // the body may be left out
	limit       int64 // of the body in bytes; 0 means maxBody
	status      int   // of the answer; 0 means 200
	answer      any   // a value of its body's type; nil: none
	query       []document.Parameter
	paged       bool
	dry         any  // of the answer to a dry run; such a route also takes an Idempotency-Key
	match       bool // If-Match has to be there
	tagged      bool // the answer has an ETag
	proposed    bool // where a second administrator has to agree, the answer is a proposal with 202
}

// Bounds of bodies, in bytes.
const (
	maxClientBody = 256 << 10 // certificates in jwks
	maxBundleBody = 4 << 20   // three lists of certificates in PEM, each of at most 1 MiB
)

var (
	pages     = []document.Parameter{{Name: "limit", Description: "How many, 1 to 500; 50 when absent.", Kind: "integer"}}
	after     = document.Parameter{Name: "after", Description: "Records after this id; it comes with the Link of a page."}
	byID      = append(slices.Clone(pages), after)
	before    = document.Parameter{Name: "before", Description: "What is older than this; it comes with the Link of a page."}
	ofClients = append(slices.Clone(byID),
		document.Parameter{Name: "partner", Description: "Clients of this partner."},
		document.Parameter{Name: "trust_bundle", Description: "Clients pinned to this trust bundle."},
		document.Parameter{Name: "scope", Description: "Clients that hold this scope."})
	ofProposals = append(slices.Clone(byID),
		document.Parameter{Name: "status", Description: "Proposals that are open (expired ones included), approved, rejected or withdrawn."},
		document.Parameter{Name: "trust_bundle", Description: "Proposals for this trust bundle."})
	ofEvents = append(slices.Clone(pages), before,
		document.Parameter{Name: "partner", Description: "Events of this partner and its clients."},
		document.Parameter{Name: "client", Description: "Events of this client."},
		document.Parameter{Name: "thumbprint", Description: "Events with this certificate (x5t#S256)."},
		document.Parameter{Name: "reason", Description: "Events with this reason."},
		document.Parameter{Name: "request_id", Description: "The events of one request."},
		document.Parameter{Name: "kind", Description: "Events of this kind, such as client.disabled."},
		document.Parameter{Name: "since", Description: "Not before this time (RFC 3339)."},
		document.Parameter{Name: "until", Description: "Before this time (RFC 3339)."})
)

// Shapes that many routes have in common.

func read(id, summary string, answer any) operation {
	return operation{id: id, summary: summary, answer: answer}
}

func one(id, summary string, answer any) operation {
	return operation{id: id, summary: summary, answer: answer, tagged: true}
}

func listed(id, summary string, answer any, query []document.Parameter) operation {
	return operation{id: id, summary: summary, answer: answer, query: query, paged: true}
}

func create(id, summary string, body, answer any, limit int64) operation {
	return operation{id: id, summary: summary, body: body, answer: answer, status: http.StatusCreated, limit: limit, dry: Preview{}, tagged: true}
}

func patch(id, summary string, body, answer any, limit int64) operation {
	return operation{id: id, summary: summary, body: body, answer: answer, limit: limit, dry: Preview{}, match: true, tagged: true}
}

// act is a verb on a record, with the reason for the audit trail.
func act(id, summary string, body any, optional bool, answer any) operation {
	return operation{id: id, summary: summary, body: body, optional: optional, answer: answer, dry: Preview{}, tagged: true}
}

// agreed is a change that may take two administrators.
func agreed(o operation) operation {
	o.proposed = true
	return o
}

func remove(id, summary string, match bool) operation {
	return operation{id: id, summary: summary, status: http.StatusNoContent, dry: Preview{}, match: match}
}

// routes is every operation of the API. More specific paths come first.
var routes = []route{
	{http.MethodGet, "/admin/v1/openapi.json", "", getDocument, read("getDocument", "This document", map[string]any{})},
	{http.MethodGet, "/admin/v1/issuer", "", getIssuer, read("getIssuer", "Where tokens for this API come from", IssuerView{})},

	{http.MethodGet, "/admin/v1/partners", ScopeRead, listPartners, listed("listPartners", "List partners by id", PartnerPage{}, byID)},
	{http.MethodPost, "/admin/v1/partners", ScopeWrite, partners.create, create("createPartner", "Register a partner", registration.Partner{}, PartnerView{}, 0)},
	{http.MethodGet, "/admin/v1/partners/{id}", ScopeRead, partners.get, one("getPartner", "Show a partner", PartnerView{})},
	{http.MethodPatch, "/admin/v1/partners/{id}", ScopeWrite, partners.patch, patch("patchPartner", "Change a partner", registration.Partner{}, PartnerView{}, 0)},
	{http.MethodPost, "/admin/v1/partners/{id}/lockout", ScopeSecurity, lockOut, act("lockOutPartner", "Lock a partner out: all its clients are refused and all their tokens die, everywhere within a second", ReasonBody{}, false, PartnerView{})},
	{http.MethodPost, "/admin/v1/partners/{id}/restore", ScopeSecurity, restore, act("restorePartner", "End a lockout: each client is again what it was before; tokens stay dead", ReasonBody{}, true, PartnerView{})},

	{http.MethodGet, "/admin/v1/apis", ScopeRead, listAPIs, listed("listAPIs", "List protected APIs by id", APIPage{}, byID)},
	{http.MethodPost, "/admin/v1/apis", ScopeWrite, apis.create, create("createAPI", "Register a protected API", registration.API{}, APIView{}, 0)},
	{http.MethodGet, "/admin/v1/apis/{id}", ScopeRead, apis.get, one("getAPI", "Show a protected API", APIView{})},
	{http.MethodPatch, "/admin/v1/apis/{id}", ScopeWrite, apis.patch, patch("patchAPI", "Change a protected API", registration.API{}, APIView{}, 0)},
	{http.MethodDelete, "/admin/v1/apis/{id}", ScopeWrite, deleteAPI, remove("deleteAPI", "Delete a protected API whose scopes no client holds", true)},

	{http.MethodGet, "/admin/v1/trust-bundles", ScopeRead, listBundles, listed("listTrustBundles", "List trust bundles by name", BundlePage{}, byID)},
	{http.MethodPost, "/admin/v1/trust-bundles", ScopeSecurity, createBundle, agreed(create("createTrustBundle", "Register a trust bundle", registration.TrustBundle{}, BundleAnswer{}, maxBundleBody))},
	{http.MethodGet, "/admin/v1/trust-bundles/{id}", ScopeRead, bundles.get, one("getTrustBundle", "Show the version in force, or the last one", TrustBundleView{})},
	{http.MethodPatch, "/admin/v1/trust-bundles/{id}", ScopeSecurity, patchBundle, agreed(patch("patchTrustBundle", "Put a new version in force", registration.TrustBundle{}, BundleAnswer{}, maxBundleBody))},
	{http.MethodGet, "/admin/v1/trust-bundles/{id}/versions", ScopeRead, listVersions, read("listTrustBundleVersions", "List all versions", BundleVersions{})},
	{http.MethodGet, "/admin/v1/trust-bundles/{id}/versions/{version}", ScopeRead, getVersion, one("getTrustBundleVersion", "Show one version", TrustBundleView{})},
	{http.MethodPost, "/admin/v1/trust-bundles/{id}/rollback", ScopeSecurity, rollBack, agreed(act("rollBackTrustBundle", "Put the content of an earlier version in force, as a new one", RollbackBody{}, false, BundleAnswer{}))},
	{http.MethodPost, "/admin/v1/trust-bundles/{id}/retire", ScopeSecurity, retireBundle, agreed(act("retireTrustBundle", "Leave no version in force: every client of the bundle is refused", ReasonBody{}, false, BundleAnswer{}))},

	{http.MethodGet, "/admin/v1/trust-proposals", ScopeRead, listProposals, listed("listTrustProposals", "List proposed changes of trust bundles by id", ProposalPage{}, ofProposals)},
	{http.MethodGet, "/admin/v1/trust-proposals/{id}", ScopeRead, getProposal, one("getTrustProposal", "Show a proposed change of a trust bundle", ProposalView{})},
	{http.MethodPost, "/admin/v1/trust-proposals/{id}/approve", ScopeSecurity, approveProposal, act("approveTrustProposal", "Make the change that another administrator has proposed", ReasonBody{}, true, ProposalAnswer{})},
	{http.MethodPost, "/admin/v1/trust-proposals/{id}/reject", ScopeSecurity, rejectProposal, act("rejectTrustProposal", "End a proposal; its proposer withdraws it that way", ReasonBody{}, true, ProposalAnswer{})},

	{http.MethodPost, "/admin/v1/clients/from-certificate", ScopeRead, fromCertificate, operation{
		id: "readCertificate", summary: "Say what a certificate or a request would be registered as; nothing is stored",
		body: FromCertificateBody{}, answer: FromCertificate{},
	}},
	{http.MethodGet, "/admin/v1/clients", ScopeRead, listClients, listed("listClients", "List clients by id", ClientPage{}, ofClients)},
	{http.MethodPost, "/admin/v1/clients", ScopeWrite, clients.create, create("createClient", "Register a client", registration.Client{}, ClientAnswer{}, maxClientBody)},
	{http.MethodGet, "/admin/v1/clients/{id}", ScopeRead, clients.get, one("getClient", "Show a client", ClientView{})},
	{http.MethodPatch, "/admin/v1/clients/{id}", ScopeWrite, clients.patch, patch("patchClient", "Change a client", registration.Client{}, ClientAnswer{}, maxClientBody)},
	{http.MethodPost, "/admin/v1/clients/{id}/disable", ScopeOperate, disableClient, act("disableClient", "Disable a client; its tokens die", ReasonBody{}, true, ClientView{})},
	{http.MethodPost, "/admin/v1/clients/{id}/enable", ScopeOperate, enableClient, act("enableClient", "Enable a client again", ReasonBody{}, true, ClientView{})},
	{http.MethodGet, "/admin/v1/clients/{id}/certificates", ScopeRead, listCertificates, read("listCertificates", "List the registered certificates of a client", CertificateList{})},
	{http.MethodPost, "/admin/v1/clients/{id}/certificates", ScopeWrite, addCertificate, create("addCertificate", "Register one more certificate of a self-signed client", CertificateBody{}, RegisteredCertificate{}, 0)},
	{http.MethodDelete, "/admin/v1/clients/{id}/certificates/{x5t}", ScopeWrite, removeCertificate, remove("removeCertificate", "Take a certificate away from a client; its tokens die", false)},

	{http.MethodGet, "/admin/v1/clients/{id}/enrollments", ScopeRead, listEnrollments, read("listEnrollments", "List the enrolment links of a client", EnrollmentList{})},

	{http.MethodPost, "/admin/v1/enrollments", ScopeWrite, createEnrollment, operation{
		id: "createEnrollment", summary: "Make a link by which a client has one certificate signed", body: EnrollmentBody{}, answer: NewEnrollment{}, status: http.StatusCreated,
	}},
	{http.MethodGet, "/admin/v1/enrollments/{id}", ScopeRead, enrollments.get, read("getEnrollment", "Show an enrolment link, without its secret", EnrollmentView{})},
	{http.MethodPost, "/admin/v1/enrollments/{id}/cancel", ScopeWrite, cancelEnrollment, operation{
		id: "cancelEnrollment", summary: "Let an unused enrolment link end now", body: ReasonBody{}, optional: true, answer: EnrollmentView{}, dry: Preview{},
	}},

	{http.MethodGet, "/admin/v1/enrollment-issuers", ScopeRead, listEnrollmentIssuers, listed("listEnrollmentIssuers", "List the CAs that are online, by trust bundle", EnrollmentIssuerList{}, byID)},
	{http.MethodGet, "/admin/v1/enrollment-issuers/{id}", ScopeRead, enrollmentIssuers.get, one("getEnrollmentIssuer", "Show the CA that signs for a trust bundle", EnrollmentIssuerView{})},
	{http.MethodDelete, "/admin/v1/enrollment-issuers/{id}", ScopeSecurity, removeEnrollmentIssuer, remove("removeEnrollmentIssuer", "Take a CA offline: it signs nothing from now on; certificates it has signed stay", false)},

	{http.MethodGet, "/admin/v1/certificates", ScopeRead, expiringCertificates, listed("listExpiringCertificates", "List the certificates that end soon, over all clients", CertificateList{}, append(slices.Clone(pages),
		document.Parameter{Name: "after", Description: "Certificates after this one; it comes with the Link of a page."},
		document.Parameter{Name: "expires_before", Description: "Certificates that end before this time (RFC 3339); in 30 days when absent."}))},
	{http.MethodPost, "/admin/v1/certificates/{x5t}/retire", ScopeOperate, retireCertificate, act("retireCertificate", "Accept a certificate until a given time, for a rotation", RetireBody{}, false, RegisteredCertificate{})},
	{http.MethodGet, "/admin/v1/certificates/{x5t}", ScopeRead, certificates.get, one("getCertificate", "Show a registered certificate and whose it is", RegisteredCertificate{})},
	{http.MethodPost, "/admin/v1/certificates/{x5t}/revoke", ScopeOperate, revokeCertificate, operation{
		id: "revokeCertificate", summary: "Revoke a certificate, registered or not", body: RevocationBody{}, answer: Revocation{}, dry: Preview{},
	}},

	{http.MethodGet, "/admin/v1/keys", ScopeRead, listKeys, read("listKeys", "List signing keys", KeyList{})},
	{http.MethodPost, "/admin/v1/keys/rotate", ScopeSecurity, rotateKey, operation{
		id: "rotateKey", summary: "Let the next key sign", body: KeyRotationBody{}, optional: true, answer: KeyRotation{}, dry: Preview{},
	}},
	{http.MethodPost, "/admin/v1/keys/{kid}/revoke", ScopeSecurity, revokeKey, operation{
		id: "revokeKey", summary: "Revoke a signing key; every token it signed dies", body: ReasonBody{}, answer: KeyRevocation{}, dry: Preview{},
	}},

	{http.MethodGet, "/admin/v1/audit-events", ScopeRead, listEvents, listed("listAuditEvents", "List audit events, newest first", EventPage{}, ofEvents)},
	{http.MethodGet, "/admin/v1/audit-checkpoints", ScopeRead, listCheckpoints, listed("listCheckpoints", "List signed checkpoints, newest first", CheckpointPage{}, append(slices.Clone(pages), before))},
	{http.MethodPost, "/admin/v1/audit-checkpoints", ScopeSecurity, addCheckpoint, operation{
		id: "addCheckpoint", summary: "Sign a checkpoint over all chains", answer: CheckpointView{}, dry: Preview{},
	}},
	{http.MethodGet, "/admin/v1/audit-prunings", ScopeRead, listPrunings, listed("listPrunings", "List what was pruned of the audit trail, newest first", PruningPage{}, append(slices.Clone(pages), before))},
	{http.MethodPost, "/admin/v1/audit-prunings", ScopeSecurity, addPruning, operation{
		id: "addPruning", summary: "Give up the audit events that a checkpoint covers; they are deleted for good",
		body: PruningBody{}, answer: PruningView{}, status: http.StatusCreated, limit: maxPruningBody, dry: Preview{},
	}},
}
