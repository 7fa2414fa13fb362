package sqlstore

import (
	"context"
	"database/sql"
)

// Dialect is what a database does in its own way.
type Dialect struct {
	// Conflict reports whether err is the violation of a uniqueness or reference
	// rule, and which one; rule is empty when the database does not say.
	Conflict func(err error) (rule string, ok bool)
	// Retry reports whether err means that the same transaction may succeed when
	// it is run again.
	Retry func(err error) bool
	// Reclaim is that of storage.Store, on Writes; nil for a database that does it
	// by itself.
	Reclaim func(ctx context.Context, writes *sql.DB) (more bool, err error)
}
