package grpcverifier

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/decision"
)

// Config says which RPCs are let through.
type Config struct {
	// Verifier checks the tokens. Required.
	Verifier *resource.Verifier

	// Methods are the full names of methods, "/package.Service/Method", with what
	// each asks of a token. The zero Policy asks for a good token and no scope. What
	// is not listed is refused.
	Methods map[string]resource.Policy

	// InsecureOpen are methods that anybody may call without a token and without a
	// certificate, such as "/grpc.health.v1.Health/Check". It MUST NOT name a method
	// that shows or changes anything of a client.
	InsecureOpen []string

	// Recheck is how often a stream that is in use is checked again; 0 means once a
	// second. Introspection is asked when the stream is opened only.
	Recheck time.Duration

	// Clock is the current time, for Recheck; default time.Now.
	Clock func() time.Time

	// Logger gets one line per RPC, and one for a stream that is ended; default
	// slog.Default().
	Logger *slog.Logger

	// Observe hears each decision that is logged; see decision.Sink. nil: nobody
	// listens.
	Observe func(*decision.Decision)
}

// Interceptor is what Config says. Make one with [New]; Unary and Stream are its
// two interceptors, and a server wants both.
type Interceptor struct {
	verifier *resource.Verifier
	methods  map[string]resource.Policy
	open     map[string]bool
	recheck  time.Duration
	clock    func() time.Time
	sink     decision.Sink
}

const defaultRecheck = time.Second

// New returns an Interceptor, or an error that names everything that is wrong.
func New(c Config) (*Interceptor, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	i := &Interceptor{
		verifier: c.Verifier, methods: maps.Clone(c.Methods), open: map[string]bool{}, recheck: c.Recheck,
		clock: c.Clock, sink: decision.Sink{Logger: c.Logger, Observe: c.Observe},
	}
	for _, method := range c.InsecureOpen {
		i.open[method] = true
	}
	if i.recheck == 0 {
		i.recheck = defaultRecheck
	}
	if i.clock == nil {
		i.clock = time.Now
	}
	if i.sink.Logger == nil {
		i.sink.Logger = slog.Default()
	}
	return i, nil
}

// methodName is a full method as gRPC spells it.
var methodName = regexp.MustCompile(`^/[A-Za-z_][A-Za-z0-9_.]*/[A-Za-z_][A-Za-z0-9_]*$`)

func (c *Config) check() error {
	if c.Verifier == nil {
		return errors.New("grpcverifier: Verifier is required")
	}
	var faults []error
	for _, method := range slices.Sorted(maps.Keys(c.Methods)) {
		if !methodName.MatchString(method) {
			faults = append(faults, fmt.Errorf("grpcverifier: Methods: %q is not of the form /package.Service/Method", method))
		}
		if err := c.Verifier.CheckPolicy(c.Methods[method]); err != nil {
			faults = append(faults, fmt.Errorf("grpcverifier: Methods: %s: %w", method, err))
		}
	}
	for _, method := range c.InsecureOpen {
		if !methodName.MatchString(method) {
			faults = append(faults, fmt.Errorf("grpcverifier: InsecureOpen: %q is not of the form /package.Service/Method", method))
		}
		if _, both := c.Methods[method]; both {
			faults = append(faults, fmt.Errorf("grpcverifier: %s is in Methods and in InsecureOpen", method))
		}
	}
	if len(c.Methods)+len(c.InsecureOpen) == 0 {
		faults = append(faults, errors.New("grpcverifier: no method is listed, so nothing could pass"))
	}
	if c.Recheck < 0 {
		faults = append(faults, errors.New("grpcverifier: Recheck must not be negative"))
	}
	return errors.Join(faults...)
}
