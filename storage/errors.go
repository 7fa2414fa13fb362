package storage

import "errors"

var (
	// ErrNotFound: there is no such record.
	ErrNotFound = errors.New("storage: not found")
	// ErrConflict: the write would break a uniqueness or reference rule. Drivers
	// wrap it in a *ConflictError that names the rule.
	ErrConflict = errors.New("storage: conflict")
	// ErrStale: the record has changed since it was read (optimistic concurrency
	// on Version).
	ErrStale = errors.New("storage: stale version")
)

// ConflictError says which uniqueness or reference rule a write broke. It
// matches ErrConflict with errors.Is.
type ConflictError struct {
	Rule string // "table.column[, …]" as far as the database tells
}

func (e *ConflictError) Error() string { return ErrConflict.Error() + ": " + e.Rule }

// Is reports whether target is ErrConflict.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }
