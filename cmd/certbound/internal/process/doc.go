// Package process turns a configuration into a running authorization server or
// proxy: it opens what the configuration names, hands it to the rooms' own
// constructors, and serves listeners together until told to stop. `serve`,
// `proxy` and `dev` all go through it, so that what dev shows is what serve does.
//
// Errors point at the setting that caused them (file:line:column). Nothing is
// listened on before everything has been opened and checked.
package process
