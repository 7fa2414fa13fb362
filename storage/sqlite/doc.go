// Package sqlite opens certbound's database in one SQLite file: for one machine,
// with any number of processes on it.
//
// Every commit is on disk when it is acknowledged (synchronous = FULL, read back
// at open). One connection writes, several read; another process that writes is
// waited for. The queries are those of storage/internal/sqlstore, the schema
// that of package migrations; this package knows neither records nor tables.
package sqlite
