package admin

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/certbound/certbound/authz/admin/document"
	"github.com/certbound/certbound/authz/admin/etag"
	"github.com/certbound/certbound/authz/admin/idempotency"
	"github.com/certbound/certbound/authz/admin/refusal"
)

const about = `Every request needs an access token for the audience that /admin/v1/issuer names, bound to the client certificate of the connection, and that certificate must be a credential of the stored, enabled administrator (RFC 8705).

Lists are paged by key: follow Link. A PATCH is a merge patch (RFC 7396) and needs If-Match. A POST may carry an Idempotency-Key: for 24 hours the same request gets the same answer and changes nothing more. With dry_run=true a change is checked as a whole and nothing is stored. Records of partners and clients are disabled and never deleted: their ids stand in the audit trail.`

// describe makes the document of all routes.
func (h *Handler) describe() error {
	h.document = document.New("certbound admin API", "v1", about, refusal.ProblemBody{})
	for i := range routes {
		h.document.Add(routes[i].described())
	}
	text, err := h.document.JSON()
	if err != nil {
		return fmt.Errorf("admin: the OpenAPI document: %w", err)
	}
	h.openAPI = text
	return nil
}

func (r *route) described() document.Operation {
	o := document.Operation{
		Method: r.method, Path: r.path, ID: r.doc.id, Summary: r.doc.summary, Parameters: r.doc.query,
		Body: r.doc.body, Optional: r.doc.optional, Partial: r.method == http.MethodPatch,
		Status: cmp.Or(r.doc.status, http.StatusOK), Dry: r.doc.dry, Tagged: r.doc.tagged, Paged: r.doc.paged,
	}
	if r.scope != "" {
		o.Scopes = []string{r.scope}
	}
	if r.doc.answer != nil {
		o.Answers = []any{r.doc.answer}
	}
	if r.doc.proposed {
		o.Accepted = ProposalAnswer{}
	}
	if o.Partial {
		o.Media = mergePatch
	}
	if r.doc.dry != nil {
		o.Parameters = append(o.Parameters, document.Parameter{Name: "dry_run", Kind: "boolean", Description: "Check the whole change and store nothing."})
		if r.method == http.MethodPost {
			o.Parameters = append(o.Parameters, document.Parameter{Name: idempotency.Header, Header: true, Description: "1 to 255 visible ASCII characters. For 24 hours the same request gets the same answer."})
		}
	}
	if r.doc.match || r.doc.tagged && r.method != http.MethodGet && r.doc.status == 0 {
		o.Parameters = append(o.Parameters, document.Parameter{Name: etag.Header, Header: true, Required: r.doc.match, Description: "The ETag of the state that was read, or *."})
	}
	return o
}

func getDocument(h *Handler, _ *call) (*answer, error) {
	return &answer{body: json.RawMessage(h.openAPI)}, nil
}
