// Package admin is the admin API: a handler for a listener of its own, at which each
// request needs a bound token for the admin API and the certificate of the stored
// administrator (design rule 23). What may be registered is the business of package
// registration. It also makes the first administrator, and brings one back.
package admin
