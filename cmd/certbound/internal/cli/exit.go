// Package cli holds what certbound's commands have in common towards their
// user: exit codes and the shape of output. Data goes to stdout, messages to
// stderr.
package cli

import "errors"

// Exit codes of every command.
const (
	Fine    = 0
	Local   = 1 // usage, configuration or another error of this machine
	Refused = 2 // the server refused, or could not be reached
	Failed  = 3 // a check the user asked for failed
)

// exit is an error that knows the exit code it leads to.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string { return e.err.Error() }
func (e *exit) Unwrap() error { return e.err }

// Exit marks err with the exit code it leads to. A nil err stays nil.
func Exit(code int, err error) error {
	if err == nil {
		return nil
	}
	return &exit{code, err}
}

// Code returns the exit code err leads to. An unmarked error is a local one.
func Code(err error) int {
	if err == nil {
		return Fine
	}
	var marked *exit
	if errors.As(err, &marked) {
		return marked.code
	}
	return Local
}
