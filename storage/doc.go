// Package storage declares certbound's records and the interfaces through which
// the rest of the module reads and writes them. It knows no database: the
// drivers in its sub-packages implement [Store], and storagetest holds the
// contract each of them passes.
//
// Times are UTC and whole seconds. Errors a caller can act on are [ErrNotFound],
// [ErrConflict] and [ErrStale]; anything else means the database did not do its
// work and the request must fail closed.
package storage
