package proxy

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/decision"
)

// DefaultRecheck is how often an exchange under way is looked at again.
const DefaultRecheck = time.Second

// watch looks after one exchange from its admission to its end. What let it
// through is true of a moment; the exchange may take hours. At each tick the
// verifier is asked again, the time limits of the route are held, and whoever makes
// progress gets more time from the server.
type watch struct {
	verifier *resource.Verifier
	token    *resource.Token
	route    *route
	pace     *pace
	logger   *slog.Logger
	interval time.Duration
	cancel   context.CancelFunc
	began    time.Time

	progress atomic.Int64 // when bytes last moved, in time after began
	sent     atomic.Int64 // when the request was over, likewise; below 0 while it is not
	stream   atomic.Bool  // an event stream or a tunnel: it ends with its token

	mu      sync.Mutex
	timer   *time.Timer // nil where a round looks
	over    bool        // the exchange has ended by itself
	ending  *ending     // why it was ended
	tunnel  net.Conn    // the caller's connection, once it carries no HTTP
	begun   bool        // the answer is on its way
	giveUp  func()      // the rest of the request's body; nil when it has none
	undrain func() bool // of an open stream

	round          *round // nil for one with a timer of its own
	previous, next *watch // in it
}

// ending is why an exchange was ended.
type ending struct {
	reason decision.Reason
	detail string
}

// watchOver lets w begin to watch an exchange in ctx; the context it returns ends
// when the exchange must.
func (p *Proxy) watchOver(ctx context.Context, w *watch, pace *pace, rt *route, verifier *resource.Verifier, token *resource.Token) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	w.verifier, w.token, w.route, w.pace, w.logger, w.cancel = verifier, token, rt, pace, p.logger, cancel
	w.interval = pace.interval(p.recheck)
	w.began = time.Now() // time limits are in real time, whatever clock decisions are made by
	for _, limit := range []time.Duration{rt.answerWithin(), rt.Timeout, rt.StreamIdle} {
		if limit > 0 { // looked at often enough to be held
			w.interval = min(w.interval, limit)
		}
	}
	w.stream.Store(rt.EndAtExpiry)
	if pace.body {
		w.sent.Store(-1)
	}
	if w.interval == p.recheck {
		w.round = p.rounds.pick()
		w.round.add(w)
		return ctx
	}
	w.mu.Lock() // a timer that fires at once must find itself set
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(w.interval, w.tick)
	return ctx
}

// look ends the exchange or, when it lasts, gives it more time.
func (w *watch) look() {
	w.mu.Lock()
	over := w.over || w.ending != nil
	w.mu.Unlock()
	if over {
		return
	}
	if reason, detail := w.judge(); reason != "" {
		w.end(reason, detail)
		return
	}
	if time.Since(w.began) >= w.interval {
		w.pace.renew()
	}
}

// tick looks once and arms the next one.
func (w *watch) tick() {
	w.look()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.over && w.ending == nil {
		w.timer.Reset(w.interval)
	}
}

// judge says why the exchange must not go on, "" when it may.
func (w *watch) judge() (decision.Reason, string) {
	reason, detail := w.verifier.Recheck(w.token)
	if reason != "" && (reason != decision.TokenExpired || w.stream.Load()) {
		return reason, detail
	}
	age := time.Since(w.began)
	switch {
	case w.unanswered(age) > w.route.answerWithin():
		return decision.UpstreamTimeout, "no answer began within " + w.route.answerWithin().String()
	case w.route.Timeout > 0 && age > w.route.Timeout:
		return decision.UpstreamTimeout, "the exchange took longer than " + w.route.Timeout.String()
	case w.route.StreamIdle > 0 && age-time.Duration(w.progress.Load()) > w.route.StreamIdle:
		return decision.UpstreamTimeout, "nothing moved for " + w.route.StreamIdle.String()
	}
	return "", ""
}

// unanswered is for how long, at an age, the upstream has had the whole request and
// has not begun to answer.
func (w *watch) unanswered(age time.Duration) time.Duration {
	sent := time.Duration(w.sent.Load())
	if sent < 0 || w.hasBegun() {
		return 0
	}
	return age - sent
}

// touch notes that bytes moved.
func (w *watch) touch() {
	if w.route.StreamIdle > 0 {
		w.progress.Store(int64(time.Since(w.began)))
	}
}

// end breaks the exchange off. The first reason counts.
func (w *watch) end(reason decision.Reason, detail string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over || w.ending != nil {
		return
	}
	w.ending = &ending{reason, detail}
	if w.giveUp != nil {
		w.giveUp() // before cancel: the transport waits for the body it is sending
	}
	w.cancel()
	if w.tunnel != nil {
		_ = w.tunnel.Close() // a caller who reads nothing would keep the copying of bytes waiting
	}
	if w.begun {
		w.log()
	}
}

// log says what became of a request that has been decided about, and logged,
// before.
func (w *watch) log() {
	e := &w.token.Decision.Evidence
	w.logger.LogAttrs(context.Background(), slog.LevelWarn, "stream_ended",
		slog.String("request_id", w.token.Decision.RequestID), slog.String("reason", string(w.ending.reason)),
		slog.String("detail", w.ending.detail), slog.String("client_id", e.ClientID), slog.String("partner", e.Partner),
		slog.String("route", w.route.label), slog.Int64("after_ms", time.Since(w.began).Milliseconds()))
}

// ended is why the exchange was broken off; nil while it was not.
func (w *watch) ended() *ending {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ending
}

// begin notes that the answer is on its way, unless it has been decided already
// that there shall be none.
func (w *watch) begin() *ending {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begun = w.ending == nil
	return w.ending
}

func (w *watch) hasBegun() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.begun
}

// carry says how to give the body of the request up.
func (w *watch) carry(giveUp func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.giveUp = giveUp
	if w.ending != nil {
		giveUp()
	}
}

// tunnelled takes the caller's connection in charge. When the exchange has been
// ended meanwhile nobody else will close it.
func (w *watch) tunnelled(conn net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tunnel = conn
	if w.ending != nil {
		_ = conn.Close() // as end does
	}
}

// stop ends the watching; the exchange is over.
func (w *watch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	if w.round != nil {
		w.round.remove(w)
	} else {
		w.timer.Stop()
	}
	if w.undrain != nil {
		w.undrain()
	}
	w.cancel()
}
