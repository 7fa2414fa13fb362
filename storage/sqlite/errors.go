package sqlite

import (
	"errors"
	"strings"

	"github.com/certbound/certbound/storage/internal/sqlstore"
	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// dialect is what sqlstore has to know about SQLite.
func dialect() sqlstore.Dialect {
	return sqlstore.Dialect{Conflict: conflict, Retry: retry, Reclaim: reclaim}
}

// conflict recognises uniqueness and reference rules. SQLite names the columns
// of the first and nothing of the second.
func conflict(err error) (rule string, ok bool) {
	switch code(err) {
	case sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_UNIQUE:
		_, rule, _ = strings.Cut(err.Error(), "UNIQUE constraint failed: ")
		rule, _, _ = strings.Cut(rule, " (") // the driver appends the number of the code
		return rule, true
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return "", true
	}
	return "", false
}

// retry: plain SQLITE_BUSY has waited its whole busy timeout and is final. These
// two come at once, whatever the timeout.
func retry(err error) bool {
	c := code(err)
	return c == sqlite3.SQLITE_BUSY_SNAPSHOT || c == sqlite3.SQLITE_BUSY_RECOVERY
}

// busy reports whether err means that another connection holds a lock.
func busy(err error) bool { return code(err)&0xff == sqlite3.SQLITE_BUSY }

// code returns SQLite's extended result code, 0 for other errors.
func code(err error) int {
	var e *driver.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}
