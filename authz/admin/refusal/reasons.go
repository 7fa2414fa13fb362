package refusal

import (
	"net/http"

	"github.com/certbound/certbound/resource/decision"
)

// Reasons only the admin API gives. The others are those of package decision.
const (
	RecordUnknown     decision.Reason = "record_unknown"     // 404: the path names a record that is not there
	RecordStale       decision.Reason = "record_stale"       // 412: If-Match names another state than the present one
	InputInvalid      decision.Reason = "input_invalid"      // 422: members or query parameters, each named
	LastAdministrator decision.Reason = "last_administrator" // 409: nobody could administer afterwards

	SecondAdministrator decision.Reason = "second_administrator_required" // 403: it takes another administrator than this one
	ProposalOver        decision.Reason = "proposal_over"                 // 409: it was decided, or has expired
	ProposalOutdated    decision.Reason = "proposal_outdated"             // 409: what it was proposed against, or by whom, is not what it was

	Conflict             decision.Reason = "conflict"               // 409: another record has it, or still needs it
	PreconditionRequired decision.Reason = "precondition_required"  // 428: the change needs If-Match
	MediaUnsupported     decision.Reason = "media_type_unsupported" // 415
	KeyReused            decision.Reason = "idempotency_key_reused" // 422: the key came with another request before
)

// answers are the titles of this API where it speaks of something else than a
// resource server does.
var answers = map[decision.Reason]decision.Answer{
	decision.RequestMalformed: {Status: http.StatusBadRequest, Description: "send one canonical path and, where a body is taken, one JSON object in UTF-8 as application/json"},
	decision.RequestTooLarge:  {Status: http.StatusRequestEntityTooLarge, Description: "the request body is larger than this route takes"},
	RecordUnknown:             {Status: http.StatusNotFound, Description: "there is no such record"},
	RecordStale:               {Status: http.StatusPreconditionFailed, Description: "the record has changed since its ETag was read; read it again"},
	InputInvalid:              {Status: http.StatusUnprocessableEntity, Description: "the request has members or parameters that cannot be accepted; errors names each"},
	Conflict:                  {Status: http.StatusConflict, Description: "another record has what this one is to have, or still needs what is to go; errors names each"},
	PreconditionRequired:      {Status: http.StatusPreconditionRequired, Description: "send the ETag of the state you have read in If-Match, so that nobody's change is overwritten unseen"},
	MediaUnsupported:          {Status: http.StatusUnsupportedMediaType, Description: "send the body as application/json (a PATCH as application/merge-patch+json), not compressed"},
	KeyReused:                 {Status: http.StatusUnprocessableEntity, Description: "this Idempotency-Key came with another request before; take a new one"},
	SecondAdministrator:       {Status: http.StatusForbidden, Description: "this takes two administrators: what one proposes another one approves, and nobody makes the other"},
	ProposalOver:              {Status: http.StatusConflict, Description: "the proposal was approved, rejected or withdrawn before, or has expired"},
	ProposalOutdated:          {Status: http.StatusConflict, Description: "the proposal cannot be approved any more: the trust bundle, the proposer or the day is another one than it was; propose it again"},
	LastAdministrator:         {Status: http.StatusConflict, Description: "this is the last enabled administrator; enable or add another one first"},
}
