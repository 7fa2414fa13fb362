package proxy

import (
	"context"
	"errors"
	"log/slog"
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
	route    *route
	token    *resource.Token
	decision *decision.Decision // the token's
	body     *pacedBody         // nil when the request has none
	upgrade  bool               // the request asks for a WebSocket, and may
	pace     pace
	watch    watch
	writer   answerWriter
	answer   answerBody
}

// exchangeKey finds the exchange in the context of the outbound request.
type exchangeKey struct{}

func exchangeOf(r *http.Request) *exchange {
	return r.Context().Value(exchangeKey{}).(*exchange)
}

// newReverse builds the forwarding half. Rewrite and not Director: hop-by-hop
// headers are gone before it runs, so that a caller who lists our headers in
// Connection does not remove them.
func (p *Proxy) newReverse(transport http.RoundTripper) *httputil.ReverseProxy {
	if transport == nil {
		transport = TransportConfig{}.New()
	}
	return &httputil.ReverseProxy{
		Transport:      byRoute{transport},
		Rewrite:        p.rewrite,
		ModifyResponse: p.answered,
		ErrorHandler:   p.failed,
		ErrorLog:       slog.NewLogLogger(p.logger.Handler(), slog.LevelWarn),
		BufferPool:     &buffers{},
	}
}

// byRoute sends each request by the transport of its route.
type byRoute struct{ usual http.RoundTripper }

// RoundTrip asks the upstream.
func (t byRoute) RoundTrip(r *http.Request) (*http.Response, error) {
	if own := exchangeOf(r).route.Transport; own != nil {
		return own.RoundTrip(r)
	}
	return t.usual.RoundTrip(r)
}

// forward hands an allowed request to the upstream.
func (p *Proxy) forward(w http.ResponseWriter, r *http.Request, rt *route, verifier *resource.Verifier, token *resource.Token) {
	x := &exchange{route: rt, token: token, decision: &token.Decision, upgrade: rt.WebSocket && wantsWebSocket(r)}
	x.decision.Evidence.Route = rt.label
	carries := r.Body != nil && r.ContentLength != 0
	x.pace.begin(w, r, carries)
	answered := false
	defer func() { x.pace.end(x.body, answered) }()
	ctx := p.watchOver(r.Context(), &x.watch, &x.pace, rt, verifier, token)
	defer x.watch.stop()
	out := r.WithContext(context.WithValue(ctx, exchangeKey{}, x))
	if !x.upgrade && len(r.Header["Upgrade"]) > 0 { // httputil reads it before rewrite does
		out.Header = withoutIdentity(r.Header, rt.ForwardToken, false, 0)
	}
	if carries {
		limit := p.bodyLimit(rt)
		x.body = &pacedBody{body: r.Body, pace: &x.pace, watch: &x.watch, left: limit, bounded: limit > 0, in: r.Trailer, out: forwardedTrailers(r.Trailer)}
		out.Body = x.body
		x.watch.carry(func() { x.pace.abandon(x.body) })
	}
	x.writer = answerWriter{ResponseWriter: w, pace: &x.pace, body: x.body, watch: &x.watch}
	p.reverse.ServeHTTP(&x.writer, out)
	answered = true
}

// rewrite turns the outbound copy of a request into what the upstream sees.
func (p *Proxy) rewrite(pr *httputil.ProxyRequest) {
	x := exchangeOf(pr.In)
	pr.Out.URL = x.route.target.url(pr.In.URL)
	pr.Out.Host = ""                   // the upstream's own name
	pr.Out.Trailer = x.body.trailers() // their values come with the end of the body
	pr.Out.Header = withoutIdentity(pr.Out.Header, x.route.ForwardToken, x.upgrade, ownHeaders)
	pr.SetXForwarded()
	h := pr.Out.Header
	if !hostConfirmed(pr.In) {
		h.Del("X-Forwarded-Host")
	}
	h.Set(decision.RequestIDHeader, x.decision.RequestID)
	setIfAny(h, "X-Certbound-Client", x.token.ClientID)
	setIfAny(h, "X-Certbound-Partner", x.token.Partner)
	setIfAny(h, "X-Certbound-Scope", strings.Join(x.token.Scopes, " "))
	p.identity.set(h, x.token.Peer)
}

// ownHeaders is how many headers rewrite sets, and httputil behind it.
const ownHeaders = 10

func setIfAny(h http.Header, name, value string) {
	if value != "" {
		h.Set(name, value)
	}
}

// answered runs when the upstream's headers are there: the decision is logged
// now, because a streamed body may take hours.
func (p *Proxy) answered(res *http.Response) error {
	x := exchangeOf(res.Request)
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
func (p *Proxy) failed(w http.ResponseWriter, r *http.Request, err error) {
	x := exchangeOf(r)
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
