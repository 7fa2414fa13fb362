package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/certbound/certbound/resource/accesstoken"
)

// Route says who may call what, and where it goes. What no route lists is
// refused.
type Route struct {
	// Hosts are the names the route answers to: DNS names in ASCII, compared without
	// case and port, IP addresses, or "*.example.com", which stands for exactly one
	// label more. None means every host.
	Hosts []string
	// Path is a template of literal segments and whole-segment parameters,
	// "/accounts/{id}/items". A parameter stands for one segment that is not empty.
	Path string
	// Methods are the allowed HTTP methods, upper case. At least one; CONNECT and
	// TRACE never.
	Methods []string
	// Scopes are all needed. At least one here or in AnyOfScopes, unless AnyScope.
	Scopes []string
	// AnyOfScopes are scopes of which one is needed, besides all of Scopes.
	AnyOfScopes []string
	// AnyScope lets every client with a valid, bound token through, whatever its
	// scopes. It is a field of its own so that forgetting Scopes opens nothing.
	AnyScope bool
	// Introspect asks the token's issuer (RFC 7662) on each request, so that the route
	// knows what the issuer knows at that moment. The verifier must be able to.
	Introspect bool
	// Partners, when not empty, are the only partners whose clients may call, by the
	// partner claim of the verified token.
	Partners []string
	// Clients, when not empty, are the only clients that may call, by the client_id
	// claim of the verified token. Where Partners is set too, both must hold.
	Clients []string
	// InsecureAllowUnbound also lets tokens through that have no cnf claim, from
	// whoever holds them. It MUST NOT be set where a stolen token must be worth
	// nothing. A token that has a cnf claim still needs its certificate.
	InsecureAllowUnbound bool
	// Upstream is where the API listens: http or https, host, and a base path that
	// goes before the request's path; or unix and the absolute path of a socket,
	// "unix:///run/api.sock", where HTTP is spoken with the host "localhost".
	Upstream *url.URL
	// Transport reaches this route's upstream; nil means Config.Transport, and for a
	// socket one of the route's own. See [TransportConfig].
	Transport http.RoundTripper
	// WebSocket lets GET requests that open a WebSocket (RFC 6455) through, over
	// HTTP/1.1. The tunnel ends with the token and the certificate.
	WebSocket bool
	// EndAtExpiry ends any transfer, and not only event streams and WebSockets, when
	// the token expires that it was asked for with.
	EndAtExpiry bool
	// MaxBodyBytes bounds request bodies in place of Config.MaxBodyBytes; 0 means
	// that one.
	MaxBodyBytes int64
	// ResponseHeader bounds the time from the end of the request to the head of the
	// answer. 0 means 30 s.
	ResponseHeader time.Duration
	// Timeout bounds an exchange from its admission to the last byte of the answer;
	// 0 means no bound. It must be 0 where streams are meant to last.
	Timeout time.Duration
	// StreamIdle bounds the time in which no byte of request or answer moves; 0
	// means no bound.
	StreamIdle time.Duration
	// ForwardToken lets the Authorization header through, for an API that checks
	// the token again. It can then spend that token nowhere else: it is bound.
	ForwardToken bool
	// InsecurePlaintextUpstream allows an http Upstream that is not on loopback.
	// It MUST NOT be used over a network that others can read or write: the API
	// believes the identity it is told over this connection.
	InsecurePlaintextUpstream bool
}

// RouteError is what is wrong with one field of one route.
type RouteError struct {
	Index int    // of the route in Config.Routes, from 0
	Field string // as in a configuration file: "hosts", "path", "methods", "scopes", "partners", "clients", "upstream"…
	Err   error
}

// Error names the route by its index.
func (e *RouteError) Error() string {
	return fmt.Sprintf("proxy: routes[%d].%s: %v", e.Index, e.Field, e.Err)
}

// Unwrap returns what is wrong without the place.
func (e *RouteError) Unwrap() error { return e.Err }

// RouteErrors returns the route errors that an error of New consists of, in the
// order of the routes, so that a caller who read the routes from a file can say
// where in the file.
func RouteErrors(err error) []*RouteError {
	var one *RouteError
	if errors.As(err, &one) && one == err { //nolint:errorlint // a leaf, not something that wraps one
		return []*RouteError{one}
	}
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return nil
	}
	var all []*RouteError
	for _, e := range joined.Unwrap() {
		all = append(all, RouteErrors(e)...)
	}
	return all
}

// CheckRoutes returns what New would find wrong with routes; [RouteErrors] picks
// the parts out.
func CheckRoutes(routes []Route) error {
	_, faults := newTable(routes)
	return joinRouteErrors(faults)
}

func joinRouteErrors(faults []*RouteError) error {
	all := make([]error, len(faults))
	for i, fault := range faults {
		all[i] = fault
	}
	return errors.Join(all...)
}

// check collects everything that is wrong with the route taken by itself, apart
// from its template.
func (rt *Route) check(report func(field string, err error)) {
	if len(rt.Methods) == 0 {
		report("methods", errors.New("no method is listed, so nothing could pass"))
	}
	for i, method := range rt.Methods {
		if err := checkMethod(method); err != nil {
			report("methods", err)
		} else if slices.Contains(rt.Methods[:i], method) {
			report("methods", fmt.Errorf("%s is listed twice", method))
		}
	}
	rt.checkScopes(report)
	checkNames("partners", rt.Partners, report)
	checkNames("clients", rt.Clients, report)
	rt.checkLimits(report)
	if rt.WebSocket && !slices.Contains(rt.Methods, http.MethodGet) {
		report("websocket", errors.New("a WebSocket is opened by GET, which is not among the methods"))
	}
	if err := checkUpstream(rt.Upstream, rt.InsecurePlaintextUpstream); err != nil {
		report("upstream", err)
	}
}

func (rt *Route) checkScopes(report func(field string, err error)) {
	all := slices.Concat(rt.Scopes, rt.AnyOfScopes)
	switch {
	case len(all) == 0 && !rt.AnyScope:
		report("scopes", errors.New("no scope is listed; if any valid token is enough, say so explicitly"))
	case len(all) > 0 && rt.AnyScope:
		report("scopes", errors.New("scopes are listed and any scope is allowed: only one can be meant"))
	}
	for i, scope := range all {
		if !accesstoken.IsScopeToken(scope) {
			report("scopes", fmt.Errorf("%q is not a scope (RFC 6749 §3.3)", scope))
		} else if slices.Contains(all[:i], scope) {
			report("scopes", fmt.Errorf("%q is listed twice", scope))
		}
	}
}

func (rt *Route) checkLimits(report func(field string, err error)) {
	if rt.MaxBodyBytes < 0 {
		report("max_body_bytes", errors.New("must not be negative"))
	}
	if rt.ResponseHeader < 0 || rt.Timeout < 0 || rt.StreamIdle < 0 {
		report("upstream", errors.New("a time limit must not be negative"))
	}
}

// checkNames refuses what no verified claim equals: an empty name would otherwise
// let tokens through that carry none.
func checkNames(field string, names []string, report func(field string, err error)) {
	for i, name := range names {
		if name == "" || strings.TrimSpace(name) != name {
			report(field, fmt.Errorf("%q is not a name", name))
		} else if slices.Contains(names[:i], name) {
			report(field, fmt.Errorf("%q is listed twice", name))
		}
	}
}

// checkMethod accepts upper-case tokens. Methods are case-sensitive (RFC 9110
// §9.1), so a lower-case one in a configuration is a mistake that would lock
// everybody out.
func checkMethod(method string) error {
	if method == http.MethodConnect || method == http.MethodTrace {
		return fmt.Errorf("%s cannot be forwarded", method)
	}
	notUpper := func(c rune) bool { return (c < 'A' || c > 'Z') && c != '-' }
	if method == "" || strings.ContainsFunc(method, notUpper) {
		return fmt.Errorf("%q is not an upper-case HTTP method", method)
	}
	return nil
}

// answerWithin is ResponseHeader, or what is usual.
func (rt *route) answerWithin() time.Duration {
	return orDefault(rt.ResponseHeader, usualResponseHeader)
}
