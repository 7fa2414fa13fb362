package proxy

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// lastDeadlines is a ResponseWriter that counts the deadlines it is given.
type lastDeadlines struct {
	*httptest.ResponseRecorder
	read, write       time.Time
	readSet, writeSet int
	during            func()
}

func (d *lastDeadlines) SetReadDeadline(at time.Time) error {
	d.read = at
	d.readSet++
	return nil
}

func (d *lastDeadlines) SetWriteDeadline(at time.Time) error {
	d.write = at
	d.writeSet++
	return nil
}

func (d *lastDeadlines) Write(p []byte) (int, error) {
	d.during()
	return d.ResponseRecorder.Write(p)
}

// TestRenew: the server's deadlines stand until an exchange is renewed; then
// each renewal gives time, except to a write that has not moved since the last.
func TestRenew(t *testing.T) {
	t.Parallel()
	d := &lastDeadlines{ResponseRecorder: httptest.NewRecorder(), read: time.Unix(5, 0)}
	limits := &http.Server{ReadTimeout: time.Minute, WriteTimeout: time.Hour}
	r := httptest.NewRequestWithContext(context.WithValue(t.Context(), http.ServerContextKey, limits), http.MethodGet, "/", nil)
	var p pace
	p.begin(d, r, false)
	if got := p.interval(time.Second); got != time.Second {
		t.Errorf("renewed every %s, want what is usual", got)
	}
	if got := p.interval(time.Hour); got != time.Minute/3 {
		t.Errorf("renewed every %s, want a third of the shorter time", got)
	}
	expect := func(when string, reads, writes int) {
		t.Helper()
		if d.readSet != reads || d.writeSet != writes {
			t.Errorf("%s: %d read and %d write deadlines were set, want %d and %d", when, d.readSet, d.writeSet, reads, writes)
		}
	}
	expect("at first", 0, 0)
	p.renew()
	p.renew()
	expect("while nothing is written", 1, 2)
	if !d.read.IsZero() || time.Until(d.write) < 59*time.Minute {
		t.Errorf("deadlines %s and %s, want none and an hour", d.read, d.write)
	}
	w := &answerWriter{ResponseWriter: d, pace: &p}
	d.during = func() {
		p.renew()
		expect("as a write has begun", 1, 3)
		p.renew()
		p.renew()
		expect("in the same write", 1, 3)
	}
	if _, err := w.Write([]byte("a")); err != nil {
		t.Fatal(err)
	}
	d.during = func() {
		p.renew()
		expect("in the next write", 1, 4)
	}
	if _, err := w.Write([]byte("b")); err != nil {
		t.Fatal(err)
	}
	p.end(nil, true)
	expect("at the end", 1, 5)
	p.renew()
	expect("behind the end", 1, 5)
}

// TestNothingIsRenewedForAnother: who has taken the connection over, or has it
// next, gets no deadlines of ours.
func TestNothingIsRenewedForAnother(t *testing.T) {
	t.Parallel()
	d := &lastDeadlines{ResponseRecorder: httptest.NewRecorder()}
	limits := &http.Server{ReadTimeout: time.Minute, WriteTimeout: time.Hour}
	r := httptest.NewRequestWithContext(context.WithValue(t.Context(), http.ServerContextKey, limits), http.MethodGet, "/", nil)
	var p pace
	p.begin(d, r, false)
	p.release()
	p.renew()
	p.end(nil, true)
	if d.readSet != 0 || d.writeSet != 0 {
		t.Errorf("%d read and %d write deadlines were set", d.readSet, d.writeSet)
	}
}
