package admin

import (
	"crypto/rand"
	"errors"
	"strings"

	"github.com/certbound/certbound/authz/admin/document"
	"github.com/certbound/certbound/authz/admin/refusal"
	"github.com/certbound/certbound/resource/decision"
)

// read decodes the body of a request. What the document does not allow is in bad,
// to be told together with what the rules of the record say.
func (h *Handler) read(c *call, into any) (bad refusal.Invalid, err error) {
	data, err := c.content()
	if err != nil {
		return nil, err
	}
	return readInto(func() ([]document.Fault, bool, error) { return h.document.Read(data, into) })
}

// merge is read for a merge patch of the present state. The patch comes from
// [call.content], which reads only once.
func (h *Handler) merge(patch []byte, present, into any) (bad refusal.Invalid, err error) {
	return readInto(func() ([]document.Fault, bool, error) { return h.document.Merge(present, patch, into) })
}

func readInto(decode func() ([]document.Fault, bool, error)) (bad refusal.Invalid, err error) {
	faults, ok, err := decode()
	switch {
	case errors.Is(err, document.ErrMalformed), errors.Is(err, document.ErrTooDeep):
		return nil, refusal.New(decision.RequestMalformed, err.Error())
	case err != nil:
		return nil, refusal.New(decision.InternalError, err.Error())
	}
	for _, fault := range faults {
		bad.At(fault.Pointer, fault.Detail)
	}
	if !ok {
		return nil, bad.Err()
	}
	return bad, nil
}

// content is body for a route that needs one.
func (c *call) content() ([]byte, error) {
	data, err := c.body()
	if err == nil && len(data) == 0 {
		err = refusal.New(decision.RequestMalformed, "the body is missing")
	}
	return data, err
}

// orGenerated is the id that the caller chose, or one that nobody has. Record ids
// are also parts of paths and file names, so it has one case.
func orGenerated(id string) string {
	if id == "" {
		return strings.ToLower(rand.Text())
	}
	return id
}
