// Package migrations holds the database schema as embedded SQL, one folder a
// dialect with the same version numbers, and applies it.
//
// It is the only package that imports golang-migrate. It knows tables, not
// records: nothing of the storage packages is imported here. A whole upgrade is
// one transaction, so a process that dies in the middle leaves the old schema.
package migrations
