// Package config reads the one YAML file a certbound process is started with.
//
// It owns the shape of the file (version 1), the strictness of its reading
// (unknown and repeated keys, wrong types and wrong values are all reported, at
// once, each with file:line:column), the CERTBOUND_… environment overlay, and
// the positions by which an error found later, when a file named in the
// configuration is opened, still points at the line that named it.
//
// Of the rooms it configures it knows the bounds of values and the rules of
// routes, which it asks them for; internal/process turns its values into listeners
// and handlers.
package config
