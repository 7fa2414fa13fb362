package proxy

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/certbound/certbound/resource/decision"
)

// wantsWebSocket reports whether a request asks for the WebSocket protocol (RFC
// 6455 §4.1). Whether it may is the route's business.
func wantsWebSocket(r *http.Request) bool {
	upgrade := r.Header["Upgrade"]
	return r.ProtoMajor == 1 && len(upgrade) == 1 && strings.EqualFold(upgrade[0], "websocket") && connectionSays(r.Header, "upgrade")
}

// connectionSays looks for an option in the Connection header (RFC 9110 §7.6.1).
func connectionSays(h http.Header, option string) bool {
	for _, value := range h["Connection"] {
		for part := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(part), option) {
				return true
			}
		}
	}
	return false
}

// checkHandshake refuses an opening handshake that upstreams could read in two
// ways: what they take for a body, we would take for the tunnel, or the reverse.
func checkHandshake(r *http.Request) error {
	switch {
	case r.Method != http.MethodGet:
		return errors.New("proxy: a WebSocket is opened by GET")
	case r.ContentLength != 0:
		return errors.New("proxy: a WebSocket handshake has no body")
	case len(r.Header["Sec-Websocket-Key"]) != 1 || len(r.Header["Sec-Websocket-Version"]) != 1:
		return errors.New("proxy: a WebSocket handshake has one Sec-WebSocket-Key and one Sec-WebSocket-Version")
	}
	return nil
}

// Hijack hands the caller's connection to the tunnel. http.ResponseController
// finds it here.
func (w *answerWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.pace.release() // before: a deadline set later would stay
	conn, buffered, err := w.pace.control.Hijack()
	if err != nil {
		return nil, nil, err
	}
	t := &tunnel{Conn: conn, watch: w.watch}
	w.watch.tunnelled(t)
	return t, buffered, nil
}

// tunnel is the caller's side of an open WebSocket. Its bytes are not looked at.
type tunnel struct {
	net.Conn
	watch *watch
}

// Read passes bytes from the caller on.
func (t *tunnel) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	t.watch.touch()
	return n, err
}

// Write passes bytes to the caller on.
func (t *tunnel) Write(p []byte) (int, error) {
	n, err := t.Conn.Write(p)
	t.watch.touch()
	return n, err
}

// CloseWrite ends the caller's reading, when the upstream has ended its writing.
func (t *tunnel) CloseWrite() error {
	if half, ok := t.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return t.Close()
}

// draining is why a stream ends with its server. It is no reason of a refusal, and
// stands in lines "stream_ended" only.
const draining decision.Reason = "draining"

// openStream makes an exchange end with its token, and with the server.
func (p *Proxy) openStream(w *watch) {
	w.stream.Store(true)
	undrain := context.AfterFunc(p.draining, func() { w.end(draining, "the proxy is stopping") })
	w.mu.Lock()
	defer w.mu.Unlock()
	w.undrain = undrain
}
