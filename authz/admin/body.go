package admin

import (
	"crypto/rand"
	"errors"
	"strings"

	"github.com/certbound/certbound/authz/admin/document"
	"github.com/certbound/certbound/resource/decision"
)

// read decodes the body of a request. What the document does not allow is in bad,
// to be told together with what the rules of the record say.
func (h *Handler) read(c *call, into any) (bad invalid, f *refusal) {
	data, f := c.content()
	if f != nil {
		return nil, f
	}
	return readInto(func() ([]document.Fault, bool, error) { return h.document.Read(data, into) })
}

// merge is read for a merge patch of the present state. The patch comes from
// [call.content], which reads only once.
func (h *Handler) merge(patch []byte, present, into any) (bad invalid, f *refusal) {
	return readInto(func() ([]document.Fault, bool, error) { return h.document.Merge(present, patch, into) })
}

func readInto(decode func() ([]document.Fault, bool, error)) (bad invalid, f *refusal) {
	faults, ok, err := decode()
	switch {
	case errors.Is(err, document.ErrMalformed), errors.Is(err, document.ErrTooDeep):
		return nil, refuse(decision.RequestMalformed, err.Error())
	case err != nil:
		return nil, refuse(decision.InternalError, err.Error())
	}
	for _, fault := range faults {
		bad.at(fault.Pointer, fault.Detail)
	}
	if !ok {
		return nil, bad.refusal()
	}
	return bad, nil
}

// content is body for a route that needs one.
func (c *call) content() ([]byte, *refusal) {
	data, f := c.body()
	if f == nil && len(data) == 0 {
		f = refuse(decision.RequestMalformed, "the body is missing")
	}
	return data, f
}

// orGenerated is the id that the caller chose, or one that nobody has. Record ids
// are also parts of paths and file names, so it has one case.
func orGenerated(id string) string {
	if id == "" {
		return strings.ToLower(rand.Text())
	}
	return id
}

// stays notes an attempt to give a record another id.
func (i *invalid) stays(pointer, have, want string) {
	if have != want {
		i.at(pointer, "never changes")
	}
}
