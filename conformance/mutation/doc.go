// Command mutation shows that the tests notice when a security check is missing.
//
//	go run ./conformance/mutation                  all flaws
//	go run ./conformance/mutation -run 'exp-|typ-'  some of them
//
// flaws.yaml holds flaws of one line each. The command puts one after the other
// into the build with the overlay of the go command, so that no file is changed,
// and runs the unit tests of the package the line is in, then the black-box tests
// that the flaw names, whose harness builds the flawed binary. A flaw that a test
// fails by is killed. It ends with 0 when every flaw was killed, with 3 when one
// survived, ran out of time or was not needed to make the tests fail, and with 1
// when it could not work. (`go run` says "exit status 3" and ends with 1 itself.)
//
// It must not import what it mutates.
package main
