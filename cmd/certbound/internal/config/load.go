package config

import (
	"errors"
	"io/fs"
	"os"
)

// Process is the kind of process a file configures.
type Process string

// The two processes that read a file.
const (
	ServeProcess Process = "serve"
	ProxyProcess Process = "proxy"
)

// Loaded is what reading a file gave besides the configuration.
type Loaded struct {
	Unused []string // CERTBOUND_… variables that are no setting: worth a warning
}

// LoadServe reads the configuration of an authorization server, overlaid with
// environ ("NAME=value"). The error is [Problems] when the file could be read.
func LoadServe(file string, environ []string) (*Serve, Loaded, error) {
	s := defaultServe()
	loaded, err := load(file, environ, s, &s.Source, s.validate)
	return s, loaded, err
}

// LoadProxy reads the configuration of a proxy, as LoadServe does.
func LoadProxy(file string, environ []string) (*Proxy, Loaded, error) {
	p := defaultProxy()
	loaded, err := load(file, environ, p, &p.Source, p.validate)
	return p, loaded, err
}

func load(file string, environ []string, into any, source **Source, validate func(*checker)) (Loaded, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return Loaded{}, readError(file, err)
	}
	src, problems := decode(file, data, into)
	*source = src
	unused, more := overlay(into, src, environ)
	problems = append(problems, more...)
	c := &checker{source: src}
	validate(c)
	problems = append(problems, unreported(problems, c.problems)...)
	return Loaded{Unused: unused}, problems.orNil()
}

// unreported leaves out what validation says of settings that could not even be
// decoded: "want a text" and "required" about one line are one problem. When the
// text is no YAML at all, nothing was decoded and validation has nothing to say.
func unreported(decoding, validation Problems) (out Problems) {
	broken, above := map[string]bool{}, map[string]bool{}
	for _, p := range decoding {
		if p.Path == "" && !isUnknown(p) {
			return nil
		}
		broken[p.Path] = true
		for path := p.Path; path != ""; path = parent(path) {
			above[path] = true
		}
	}
	for _, p := range validation {
		skip := above[p.Path]
		for path := p.Path; path != ""; path = parent(path) {
			skip = skip || broken[path]
		}
		if !skip {
			out = append(out, p)
		}
	}
	return out
}

func readError(file string, err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err // the file is named once
	}
	return &Problem{At: Position{File: file}, Err: err}
}

// Detect tells which process a file configures by a setting only a proxy has.
func Detect(file string) (Process, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", readError(file, err)
	}
	source, _ := decode(file, data, defaultProxy())
	for _, setting := range []string{"routes", "audience", "issuer_ca", "upstream_ca"} {
		if _, ok := source.at[setting]; ok {
			return ProxyProcess, nil
		}
	}
	return ServeProcess, nil
}

// Validate checks a configuration made by code.
func (s *Serve) Validate() error { return validated(s.Source, s.validate) }

// Validate checks a configuration made by code.
func (p *Proxy) Validate() error { return validated(p.Source, p.validate) }

func validated(source *Source, validate func(*checker)) error {
	c := &checker{source: source}
	validate(c)
	return c.problems.orNil()
}
