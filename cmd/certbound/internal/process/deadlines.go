package process

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// patientListener makes the deadlines of its connections cheap. net/http sets
// some seven for each request, and nearly all of them are moved or lifted long
// before they are due: each is a timer of the runtime to be moved.
type patientListener struct{ net.Listener }

// Accept returns the next connection.
func (l patientListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &patientConn{Conn: conn}
	c.reads.set, c.writes.set = conn.SetReadDeadline, conn.SetWriteDeadline
	return c, nil
}

// patientConn is a connection that moves its timer when a deadline comes nearer,
// and otherwise when the timer fires: it looks then whether the deadline is due,
// and if it is not, sets the timer anew and goes on. Deadlines are kept as exactly
// as by the connection itself.
type patientConn struct {
	net.Conn
	reads, writes deadline
}

// Read implements net.Conn.
func (c *patientConn) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) || !c.reads.early() {
			return n, err
		}
	}
}

// Write implements net.Conn.
func (c *patientConn) Write(p []byte) (int, error) {
	for written := 0; ; {
		n, err := c.Conn.Write(p[written:])
		written += n
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) || !c.writes.early() {
			return written, err
		}
	}
}

// SetReadDeadline implements net.Conn.
func (c *patientConn) SetReadDeadline(t time.Time) error { return c.reads.want(t) }

// SetWriteDeadline implements net.Conn.
func (c *patientConn) SetWriteDeadline(t time.Time) error { return c.writes.want(t) }

// SetDeadline implements net.Conn.
func (c *patientConn) SetDeadline(t time.Time) error {
	return errors.Join(c.reads.want(t), c.writes.want(t))
}

// glance is how far ahead a timer is set at most: not beyond the shortest of a
// server's timeouts, so that setting that one later needs no timer either.
const glance = 10 * time.Second

// deadline is that of one direction.
type deadline struct {
	set func(time.Time) error // the connection's own

	mu     sync.Mutex
	wanted time.Time // none when zero
	timer  time.Time // when it fires, or fired: never after what is wanted; zero before it was ever set
}

// want is the SetDeadline of the direction.
func (d *deadline) want(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wanted = t
	if t.IsZero() || !d.timer.IsZero() && !t.Before(d.timer) {
		return nil // the timer comes early at the worst
	}
	d.timer = t
	return d.set(t)
}

// early reports whether the timer has fired before the deadline, and sets it anew.
func (d *deadline) early() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	if !d.wanted.IsZero() && !now.Before(d.wanted) {
		return false
	}
	d.timer = now.Add(glance)
	if !d.wanted.IsZero() && d.wanted.Before(d.timer) {
		d.timer = d.wanted
	}
	return d.set(d.timer) == nil
}
