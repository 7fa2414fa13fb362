package accesstoken

import (
	"fmt"
)

// Fault is what is wrong with one claim.
type Fault struct {
	Claim string // "" when the payload is no JSON object
	Err   error  // wraps ErrUnbound or ErrMalformed
}

// Inspect is [Parse] for explanations: it goes on after a fault, so that one bad
// claim does not hide the others. It returns what could be read, and every fault
// in the order in which Parse would meet them: without any, Parse accepts. It
// MUST NOT be used to accept a token.
func Inspect(payload []byte) (*Claims, []Fault) {
	c := &Claims{}
	members, err := object(payload)
	if err != nil {
		return c, []Fault{{Err: fmt.Errorf("%w: claims: %w", ErrMalformed, err)}}
	}
	var faults []Fault
	for i := range table {
		row := &table[i]
		raw, ok := members[row.name]
		switch {
		case !ok && row.required:
			faults = append(faults, Fault{row.name, fmt.Errorf("%w: claim %s is missing", ErrMalformed, row.name)})
		case ok:
			if err := row.read(c, raw); err != nil {
				faults = append(faults, Fault{row.name, claimError(row.name, err)})
			}
		}
	}
	if _, ok := members[confirmationName]; !ok {
		faults = append(faults, Fault{confirmationName, fmt.Errorf("%w: there is no cnf claim", ErrUnbound)})
	}
	return c, faults
}
