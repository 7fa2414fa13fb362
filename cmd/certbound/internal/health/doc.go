// Package health asks a running process on this machine how it is: at its ops
// listener when its configuration has one, else at its public listener, without a
// client certificate and trusting the one server certificate that the configuration
// names. It reads the configuration as far as it needs to, and no secret.
package health
