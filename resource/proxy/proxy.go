package proxy

import (
	"context"
	"errors"
	"log"
	"log/slog"
	"net/http"
	"time"

	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/decision"
)

// Config is what a Proxy needs.
type Config struct {
	// Verifier checks every request that has a route. Required.
	Verifier *resource.Verifier
	// Routes say who may call what. At least one.
	Routes []Route
	// Transport reaches the upstreams; nil means NewTransport.
	Transport http.RoundTripper
	// Logger gets one "decision" line per request; nil means slog.Default.
	Logger *slog.Logger
	// Observe hears each decision; see decision.Sink. nil: nobody listens.
	Observe func(*decision.Decision)
	// Clock is the time decisions are measured by; nil means time.Now.
	Clock func() time.Time
	// MaxBodyBytes bounds request bodies; 0 means no bound. A body that announces
	// its length is refused before the upstream hears of it, a chunked one when it
	// crosses the bound.
	MaxBodyBytes int64
	// Identity is how the upstream learns of the caller's certificate.
	Identity Identity
	// Metadata, when set, is published as RFC 9728 says, and challenges name its
	// address.
	Metadata *Metadata
	// Limits hold callers to their rates; nil means that there are none.
	Limits *Limits
	// Recheck is how often an exchange under way is looked at again: token and
	// certificate, revocations, time limits. 0 means DefaultRecheck. A revocation
	// ends a stream at most this long after the verifier has heard of it.
	Recheck time.Duration
	// Draining is done when the server stops. It ends what lasts longer than a server
	// waits: event streams, and WebSockets, which it does not wait for at all. Their
	// clients come back, to another instance or with a new token. nil means never.
	Draining context.Context
}

// Proxy is an http.Handler that forwards only what its routes and its verifier
// allow. It is safe for concurrent use.
type Proxy struct {
	verifier  *resource.Verifier
	unbound   *resource.Verifier // the same, for routes that allow unbound tokens
	table     *table
	transport http.RoundTripper // for routes without one of their own
	buffers   buffers
	logger    *slog.Logger
	errorLog  *log.Logger // what httputil has to say
	observe   func(*decision.Decision)
	clock     func() time.Time
	maxBody   int64
	limits    *Limits
	identity  Identity
	metadata  *document // nil: none is published
	recheck   time.Duration
	rounds    rounds // every recheck
	draining  context.Context
	handler   http.Handler // serve, with panics answered
}

// New checks the configuration and returns every fault in it at once; those of
// routes can be picked out with [RouteErrors].
func New(c Config) (*Proxy, error) {
	var faults []error
	if c.Verifier == nil {
		faults = append(faults, errors.New("proxy: a verifier is required"))
	}
	if len(c.Routes) == 0 {
		faults = append(faults, errors.New("proxy: no route is configured, so nothing could pass"))
	}
	if c.MaxBodyBytes < 0 {
		faults = append(faults, errors.New("proxy: the largest body must not be negative"))
	}
	if c.Recheck < 0 {
		faults = append(faults, errors.New("proxy: the time between two looks at a stream must not be negative"))
	}
	table, routeFaults := newTable(sockets(c.Routes))
	if c.Verifier != nil {
		routeFaults = append(routeFaults, checkPolicies(c.Verifier, c.Routes)...)
	}
	metadata, err := newDocument(c.Metadata, c.Routes)
	faults = append(faults, c.Identity.check(), err)
	routeFaults = append(routeFaults, metadata.checkReserved(c.Routes)...)
	if err := errors.Join(append(faults, joinRouteErrors(routeFaults))...); err != nil {
		return nil, err
	}
	p := &Proxy{
		verifier: c.Verifier, unbound: c.Verifier.InsecureAllowingUnbound(), table: table,
		transport: c.Transport, logger: c.Logger, clock: c.Clock, observe: c.Observe, maxBody: c.MaxBodyBytes, limits: c.Limits, identity: c.Identity, metadata: metadata, recheck: c.Recheck, draining: c.Draining,
	}
	if p.draining == nil {
		p.draining = context.Background()
	}
	if p.recheck == 0 {
		p.recheck = DefaultRecheck
	}
	p.rounds.start(p.recheck, (*watch).look)
	if p.logger == nil {
		p.logger = slog.Default()
	}
	if p.clock == nil {
		p.clock = time.Now
	}
	if p.transport == nil {
		p.transport = TransportConfig{}.New()
	}
	p.errorLog = slog.NewLogLogger(p.logger.Handler(), slog.LevelWarn)
	p.handler = decision.Recover(http.HandlerFunc(p.serve), decision.APIRequest, p.sink(), p.clock)
	return p, nil
}

// sink is where decisions go.
func (p *Proxy) sink() decision.Sink { return decision.Sink{Logger: p.logger, Observe: p.observe} }

// ServeHTTP answers a request, in the upstream's words or its own.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

// serve takes a request through the journey: one reading of the target, a route,
// a token in the right hands, and only then the upstream.
func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) {
	start := p.clock()
	// 1. The target has one reading.
	if err := checkTarget(r); err != nil {
		p.refuse(w, r, start, decision.RequestMalformed, "", err.Error())
		return
	}
	if p.metadata.serve(w, r) {
		return
	}
	// 2. A route lists it. This comes before any work on the token: what no route
	// lists is nobody's.
	if p.table.misdirected(r) {
		p.refuse(w, r, start, decision.MisdirectedRequest, "", "the TLS handshake named "+serverName(r)+", the request "+r.Host)
		return
	}
	shape := p.table.find(r)
	if shape == nil {
		p.refuse(w, r, start, decision.RouteUnknown, "", "")
		return
	}
	rt, ok := shape.byMethod[r.Method]
	if !ok {
		w.Header().Set("Allow", shape.allow)
		p.refuse(w, r, start, decision.MethodNotAllowed, shape.label, "allowed: "+shape.allow)
		return
	}
	if limit := p.bodyLimit(rt); limit > 0 && r.ContentLength > limit {
		p.refuse(w, r, start, decision.RequestTooLarge, rt.label, "the announced length is over the configured bound")
		return
	}
	if rt.WebSocket && wantsWebSocket(r) {
		if err := checkHandshake(r); err != nil {
			p.refuse(w, r, start, decision.RequestMalformed, rt.label, err.Error())
			return
		}
	}
	if wait := p.limits.addressed(start, r); wait > 0 {
		setRetryAfter(w.Header(), wait)
		p.refuse(w, r, start, decision.RateLimited, rt.label, "the address has used up its rate")
		return
	}
	// 3. The token is good, bound to this certificate, and holds the scopes.
	verifier := p.verifier
	if rt.InsecureAllowUnbound {
		verifier = p.unbound
	}
	token, counted, err := p.verify(r, rt, verifier)
	if err != nil {
		p.refuseToken(w, r, start, rt, err)
		return
	}
	// 4. The route is for this client, and the client is within its rate.
	refusal := p.admit(rt, token)
	if refusal == nil && !counted {
		refusal = p.withinRate(token)
	}
	if refusal != nil {
		p.refuseToken(w, r, start, rt, refusal)
		return
	}
	// 5. The upstream gets it with the verified identity.
	p.forward(w, r, rt, verifier, token)
}

// bodyLimit is the largest body of a route's requests; 0 means no bound.
func (p *Proxy) bodyLimit(rt *route) int64 {
	if rt.MaxBodyBytes > 0 {
		return rt.MaxBodyBytes
	}
	return p.maxBody
}

// refuse answers and logs what the proxy itself decided before any token work.
func (p *Proxy) refuse(w http.ResponseWriter, r *http.Request, start time.Time, reason decision.Reason, route, detail string) {
	answer := reason.AtResourceServer()
	d := decision.New(r, decision.APIRequest, start)
	d.Evidence.Route, d.Evidence.Detail = route, detail
	d.Refuse(reason, answer.Status, p.clock())
	p.sink().Put(r.Context(), &d)
	decision.WriteRefusal(w, answer, d.RequestID)
}

// refuseToken answers and logs what the verifier decided.
func (p *Proxy) refuseToken(w http.ResponseWriter, r *http.Request, start time.Time, rt *route, err error) {
	var refusal *resource.Refusal
	if !errors.As(err, &refusal) {
		p.refuse(w, r, start, decision.InternalError, rt.label, err.Error())
		return
	}
	refusal.Decision.Evidence.Route = rt.label
	if p.metadata != nil {
		refusal.ResourceMetadata = p.metadata.address
	}
	p.sink().Put(r.Context(), &refusal.Decision)
	refusal.Write(w)
}
