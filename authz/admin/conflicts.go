package admin

import (
	"github.com/certbound/certbound/authz/admin/document"
	"github.com/certbound/certbound/authz/registration"
)

// taken is what a record cannot have, because another one has it.
type taken struct {
	member string // "/id"
	detail string
	owner  string // the id of the other one
}

// orConflict is the refusal for what another record has, unless err says that the
// question could not be answered.
func orConflict(err error, all ...taken) error {
	if err != nil {
		return err
	}
	return conflicting(all)
}

func conflicting(all []taken) *refusal {
	f := refuse(Conflict, "another record has what this one is to have")
	for _, t := range all {
		var bad invalid
		bad.at(t.member, t.detail)
		bad[0].Owner = t.owner
		f.errors = append(f.errors, bad...)
	}
	return f
}

// missing is what a record refers to and is not there.
func missing(all registration.Faults) *refusal {
	var bad invalid
	for _, f := range all {
		bad.at(document.Pointer(f.Member), quoted.ReplaceAllString(f.Err.Error(), `"…"`))
	}
	return bad.refusal()
}

// conflicting names the owners to those who may read them.
func (c *call) conflicting(all []taken) *refusal {
	f := conflicting(all)
	if !c.caller.may(ScopeRead) {
		for i := range f.errors {
			f.errors[i].Owner = ""
		}
	}
	return f
}
