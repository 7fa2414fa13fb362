package process

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/cmd/certbound/internal/config"
)

// place puts err at a setting. prefix is what the error's text begins with and
// the setting's name says already: "keys: keys: …" reads like a fault of ours.
func place(source *config.Source, path, prefix string, err error) error {
	if err == nil {
		return nil
	}
	return source.Problem(path, trimmed{err, prefix})
}

// trimmed is an error whose text lacks a prefix.
type trimmed struct {
	error
	prefix string
}

func (t trimmed) Error() string { return strings.TrimPrefix(t.error.Error(), t.prefix) }

func (t trimmed) Unwrap() error { return t.error }

// readSeed reads and checks the seed file; without a file the seed is empty.
func readSeed(c *config.Serve, check func(*registration.Set) error) (*registration.Set, []byte, error) {
	if c.Seed == "" {
		return &registration.Set{}, nil, nil
	}
	data, err := os.ReadFile(string(c.Seed))
	if err != nil {
		return nil, nil, c.Source.Problem("seed", err)
	}
	seed, err := registration.Decode(data)
	if err == nil {
		seed.BundlesAgreed = twoPairs(c)
		err = check(seed)
	}
	return seed, data, placeSeed(c, err)
}

// placeSeed puts problems of the seed at their place in that file, and at the
// setting that names it.
func placeSeed(c *config.Serve, err error) error {
	var problems registration.Problems
	if one := (*registration.Problem)(nil); !errors.As(err, &problems) && errors.As(err, &one) {
		problems = registration.Problems{one}
	}
	if len(problems) == 0 {
		return c.Source.Problem("seed", err)
	}
	placed := make([]error, len(problems))
	for i, p := range problems {
		placed[i] = c.Source.Problem("seed", &seedError{config.Position{File: string(c.Seed), Line: p.Line, Column: p.Column}, p})
	}
	return errors.Join(placed...)
}

// seedError is a problem with the place it has in the seed file.
type seedError struct {
	at      config.Position
	problem *registration.Problem
}

func (e *seedError) Error() string { return fmt.Sprintf("%s: %s", e.at, e.problem.Text()) }

func (e *seedError) Unwrap() error { return e.problem }

// twoPairs reports whether changes of trust bundles take two administrators.
func twoPairs(c *config.Serve) bool { return c.Admin.SecondPairOfEyes == config.TwoForTrustBundles }
