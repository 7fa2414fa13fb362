package proxy

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"strings"
	"sync"

	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/decision"
)

// exchange is one allowed request on its way to the upstream and back. Its parts
// come and go together, so they are one piece of memory.
type exchange struct {
	proxy    *Proxy
	route    *route
	token    *resource.Token
	decision *decision.Decision // the token's
	body     *pacedBody         // nil when the request has none
	upgrade  bool               // the request asks for a WebSocket, and may
	header   http.Header        // the caller's; nil where httputil copies it
	values   headerValues
	pace     pace
	watch    watch
	writer   answerWriter
	answer   answerBody
	reverse  httputil.ReverseProxy // its own, so that what it calls need not look for the exchange
}

// forward hands an allowed request to the upstream.
func (p *Proxy) forward(w http.ResponseWriter, r *http.Request, rt *route, verifier *resource.Verifier, token *resource.Token) {
	x := &exchange{proxy: p, route: rt, token: token, decision: &token.Decision, upgrade: rt.WebSocket && wantsWebSocket(r)}
	x.decision.Evidence.Route = rt.label
	carries := r.Body != nil && r.ContentLength != 0
	x.pace.begin(w, r, carries)
	answered := false
	defer func() { x.pace.end(x.body, answered) }()
	ctx := p.watchOver(r.Context(), &x.watch, &x.pace, rt, verifier, token)
	defer x.watch.stop()
	out := r.WithContext(ctx)
	switch {
	case !steersHops(r.Header):
		x.header, out.Header = r.Header, nil
	case !x.upgrade && len(r.Header["Upgrade"]) > 0: // httputil reads it before rewrite does
		out.Header = withoutIdentity(r.Header, rt.ForwardToken, false, 0)
	}
	if carries {
		limit := p.bodyLimit(rt)
		x.body = &pacedBody{body: r.Body, pace: &x.pace, watch: &x.watch, left: limit, bounded: limit > 0, in: r.Trailer, out: forwardedTrailers(r.Trailer)}
		out.Body = x.body
		x.watch.carry(func() { x.pace.abandon(x.body) })
	}
	x.writer = answerWriter{ResponseWriter: w, pace: &x.pace, body: x.body, watch: &x.watch}
	// Rewrite and not Director: hop-by-hop headers are gone before it runs, so that a
	// caller who lists our headers in Connection does not remove them.
	x.reverse = httputil.ReverseProxy{
		Transport: rt.Transport, Rewrite: x.rewrite, ModifyResponse: x.answered, ErrorHandler: x.failed,
		ErrorLog: p.errorLog, BufferPool: &p.buffers,
	}
	if rt.Transport == nil {
		x.reverse.Transport = p.transport
	}
	x.reverse.ServeHTTP(&x.writer, out)
	answered = true
}

// rewrite turns the outbound copy of a request into what the upstream sees.
func (x *exchange) rewrite(pr *httputil.ProxyRequest) {
	pr.Out.URL = x.route.target.url(pr.In.URL)
	pr.Out.Host = ""                   // the upstream's own name
	pr.Out.Trailer = x.body.trailers() // their values come with the end of the body
	from := x.header
	if from == nil {
		from = pr.Out.Header
	}
	pr.Out.Header = withoutIdentity(from, x.route.ForwardToken, x.upgrade, ownHeaders)
	pr.SetXForwarded()
	h := pr.Out.Header
	if !hostConfirmed(pr.In) {
		h.Del("X-Forwarded-Host")
	}
	x.values.set(h, decision.RequestIDHeader, x.decision.RequestID)
	x.values.set(h, "X-Certbound-Client", x.token.ClientID)
	x.values.set(h, "X-Certbound-Partner", x.token.Partner)
	x.values.set(h, "X-Certbound-Scope", strings.Join(x.token.Scopes, " "))
	x.proxy.identity.set(h, x.token.Peer)
}

// ownHeaders is how many headers rewrite sets, and httputil behind it.
const ownHeaders = 10

// headerValues are the values of headers that have one each, in one piece of
// memory.
type headerValues struct {
	values [4]string
	used   int
}

// set sets a header, whose name is in canonical form, unless value is empty.
func (v *headerValues) set(h http.Header, name, value string) {
	if value != "" {
		v.values[v.used] = value
		h[name] = v.values[v.used : v.used+1 : v.used+1]
		v.used++
	}
}

// steersHops reports whether a header says more about the hop it came over than
// that hop's own fields do (RFC 9110 §7.6.1): which others belong to it, or what it
// shall become. httputil knows what to do then. All other requests are spared its copy
// of the header; the fields of the hop are among those that withoutIdentity drops.
func steersHops(h http.Header) bool {
	return len(h["Connection"])+len(h["Te"])+len(h["Upgrade"]) > 0
}

// answered runs when the upstream's headers are there: the decision is logged
// now, because a streamed body may take hours.
func (x *exchange) answered(res *http.Response) error {
	p := x.proxy
	x.decision.Evidence.UpstreamStatus = res.StatusCode
	switched := res.StatusCode == http.StatusSwitchingProtocols
	if switched && (!x.upgrade || !strings.EqualFold(res.Header.Get("Upgrade"), "websocket")) {
		return errors.New("proxy: the upstream switched to a protocol which nobody asked for")
	}
	if x.watch.begin() != nil {
		return errors.New("proxy: ended while the upstream was asked") // failed knows why
	}
	stripAnswer(res.Header)
	stripAnswer(res.Trailer)
	res.Header.Set(decision.RequestIDHeader, x.decision.RequestID)
	events := isEventStream(res.Header)
	if switched || events {
		p.openStream(&x.watch)
	}
	if len(res.Trailer) > 0 && res.Request.Method != http.MethodHead {
		res.Header.Del("Content-Length") // HTTP/1.1 has trailers behind chunks only
	}
	if !switched { // a tunnel's body is written to as well
		x.answer = answerBody{ReadCloser: res.Body, res: res, watch: &x.watch, events: events}
		res.Body = &x.answer
	}
	x.decision.Allow(res.StatusCode, p.clock())
	p.sink().Put(res.Request.Context(), x.decision)
	return nil
}

// failed runs instead of answered when there is no answer to pass on.
func (x *exchange) failed(w http.ResponseWriter, r *http.Request, err error) {
	p := x.proxy
	if x.watch.hasBegun() { // a tunnel that could not be dug: it has been decided about already
		panic(http.ErrAbortHandler)
	}
	reason, detail := x.blame(r.Context(), err)
	if reason == "" {
		// There is nobody to answer, and it is no fault of the upstream's. Returning
		// would make the server say 200; this makes it say nothing.
		x.decision.Evidence.Detail = "the caller left before the upstream answered"
		x.decision.Allow(0, p.clock())
		p.sink().Put(r.Context(), x.decision)
		panic(http.ErrAbortHandler)
	}
	if x.watch.ended() != nil {
		if !x.body.complete() {
			_ = x.body.body.Close() // what is closed is not drained before the answer
		}
		// It was let through, and now it is refused as if it had not been.
		p.refuseToken(w, r, x.decision.Time, x.route, p.verifier.Refuse(x.token, reason, detail))
		return
	}
	x.decision.Evidence.Detail = detail
	answer := reason.AtResourceServer()
	x.decision.Refuse(reason, answer.Status, p.clock())
	p.sink().Put(r.Context(), x.decision)
	decision.WriteRefusal(w, answer, x.decision.RequestID)
}

// blame says why there is no answer; "" when the caller left. The order matters:
// who ended the exchange ended its body and context too, and a body that fails
// ends the request's context before its read returns.
func (x *exchange) blame(ctx context.Context, err error) (reason decision.Reason, detail string) {
	if e := x.watch.ended(); e != nil {
		return e.reason, e.detail
	}
	bodyErr := x.body.err()
	if bodyErr == nil && ctx.Err() != nil {
		bodyErr = x.body.settled()
	}
	var network net.Error
	switch {
	case errors.Is(bodyErr, errBodyTooLarge):
		return decision.RequestTooLarge, err.Error()
	case errors.Is(bodyErr, os.ErrDeadlineExceeded): // the caller stopped sending
		return decision.RequestMalformed, err.Error()
	case ctx.Err() != nil:
		return "", ""
	case bodyErr != nil:
		return decision.RequestMalformed, err.Error()
	case errors.As(err, &network) && network.Timeout():
		return decision.UpstreamTimeout, err.Error()
	}
	return decision.UpstreamUnreachable, err.Error()
}

// buffers are the copy buffers of httputil.ReverseProxy, which would otherwise
// allocate one for each answer.
type buffers struct{ pool sync.Pool }

const bufferSize = 32 << 10

// Get returns a buffer of bufferSize bytes.
func (b *buffers) Get() []byte {
	if buf, ok := b.pool.Get().(*[bufferSize]byte); ok {
		return buf[:]
	}
	return make([]byte, bufferSize)
}

// Put takes a buffer back.
func (b *buffers) Put(buf []byte) { b.pool.Put((*[bufferSize]byte)(buf)) }
