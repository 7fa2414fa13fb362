// Package reload decides when a running process reads its configuration again: on
// SIGHUP, and when the configuration or a file that it names has changed. It
// watches directories and not files, because files are replaced by renaming and
// Kubernetes swaps symbolic links; what counts is the content.
//
// It knows nothing of what is reloaded. It is handed one function that validates
// the whole and puts it in force at once or not at all, and it keeps the account:
// a log line for each reload, a probe for /readyz?verbose, numbers for metrics. A
// failed reload never takes the process out of service: the configuration that
// worked is still in force.
package reload
