// Package storagetest is the contract of storage.Store as a test suite. Each
// database passes the same suite: [Run] for what every method promises,
// [RunConcurrency] for what holds when many callers meet, [RunReopen] for what
// is still there after closing and for several handles on one database.
//
// It depends on the storage interfaces only, and is imported by tests only.
package storagetest
