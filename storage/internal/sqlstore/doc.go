// Package sqlstore implements storage.Store over database/sql. The queries are
// written once, in the SQL that SQLite and PostgreSQL share ($1 placeholders,
// upserts, RETURNING, string_agg); what differs is a small [Dialect] value.
//
// It opens no database and imports no driver: the packages storage/sqlite and,
// later, storage/postgres do that. Lists of names are read as one string with
// spaces between them, which the schema's CHECKs make unambiguous, so that a
// record is one row of one statement and thereby consistent.
package sqlstore
