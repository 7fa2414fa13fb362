package process

import (
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// pipes hands out one end of each pipe it makes.
type pipes struct {
	net.Listener
	ends chan net.Conn
}

func (p pipes) Accept() (net.Conn, error) { return <-p.ends, nil }

// patientPipe returns a connection as servers get it, and its peer.
func patientPipe(t *testing.T) (conn, peer net.Conn) {
	t.Helper()
	ours, peer := net.Pipe()
	l := pipes{ends: make(chan net.Conn, 1)}
	l.ends <- ours
	conn, err := patientListener{l}.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = conn.Close(), peer.Close() })
	return conn, peer
}

// TestDeadlinesAreThoseOfTheConnection lets a plain connection and a patient one
// live through the same moves, drawn at random, and asks that the same happens to
// both at the very same time.
func TestDeadlinesAreThoseOfTheConnection(t *testing.T) {
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) {
			ours, peer := net.Pipe()
			t.Cleanup(func() { _, _ = ours.Close(), peer.Close() })
			plain := lifeOf(ours, peer, rand.New(rand.NewPCG(seed, 1)))
			conn, peer := patientPipe(t)
			patient := lifeOf(conn, peer, rand.New(rand.NewPCG(seed, 1)))
			if diff := cmp.Diff(plain, patient); diff != "" {
				t.Errorf("seed %d (-plain +patient):\n%s", seed, diff)
			}
		})
	}
}

// event is what a read or a write came to, and when.
type event struct {
	After  time.Duration
	N      int
	Failed string
}

// lifeOf moves deadlines, reads and writes, while the peer sends and takes a byte
// now and then.
func lifeOf(conn, peer net.Conn, random *rand.Rand) (events []event) {
	began := time.Now()
	note := func(n int, err error) {
		e := event{After: time.Since(began), N: n}
		if err != nil {
			e.Failed = err.Error()
		}
		events = append(events, e)
	}
	some := func() time.Duration { return time.Duration(random.IntN(40_000)) * time.Millisecond }
	at := func() time.Time {
		switch random.IntN(5) {
		case 0:
			return time.Time{}
		case 1:
			return time.Unix(1, 0)
		}
		return time.Now().Add(some())
	}
	for range 30 {
		switch random.IntN(6) {
		case 0:
			_ = conn.SetReadDeadline(at())
		case 1:
			_ = conn.SetWriteDeadline(at())
		case 2:
			_ = conn.SetDeadline(at())
		case 3:
			<-time.After(some())
		case 4, 5: // one that moves the deadline under a read or a write, or lets it succeed
			var done chan struct{}
			change, later := at(), some()
			read, serve, size := random.IntN(2) == 0, random.IntN(2) == 0, 1+random.IntN(4)
			done = make(chan struct{})
			go func() {
				defer close(done)
				<-time.After(later)
				switch {
				case read && serve:
					_ = peer.SetWriteDeadline(time.Now().Add(time.Second))
					_, _ = peer.Write(make([]byte, size))
				case serve:
					_ = peer.SetReadDeadline(time.Now().Add(time.Second))
					_, _ = io.ReadFull(peer, make([]byte, size))
				case read:
					_ = conn.SetReadDeadline(change)
				default:
					_ = conn.SetWriteDeadline(change)
				}
				<-time.After(time.Minute) // and an end to who waits for ever
				_ = conn.SetDeadline(time.Unix(1, 0))
			}()
			if read {
				note(conn.Read(make([]byte, 8)))
			} else {
				note(conn.Write(make([]byte, 4)))
			}
			<-done
		}
	}
	return events
}

// TestDeadlinesCostFewTimers counts how often the connection's own deadlines are
// set by what net/http does for each request, on a connection that is busy for a
// minute.
func TestDeadlinesCostFewTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, peer := patientPipe(t)
		c := conn.(*patientConn)
		sets := 0
		for _, d := range []*deadline{&c.reads, &c.writes} {
			own := d.set
			d.set = func(at time.Time) error { sets++; return own(at) }
		}
		request := make([]byte, 1)
		for range 600 {
			_ = conn.SetReadDeadline(time.Now().Add(120 * time.Second))
			go func() { _, _ = peer.Write(request) }()
			if _, err := conn.Read(request); err != nil {
				t.Fatal(err)
			}
			_ = conn.SetReadDeadline(time.Time{})
			_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
			_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
			_ = conn.SetWriteDeadline(time.Now().Add(60 * time.Second))
			<-time.After(100 * time.Millisecond)
		}
		if sets > 20 {
			t.Errorf("600 requests within a minute set %d timers", sets)
		}
	})
}

// TestDeadlineEndsAHandshake: who connects and says nothing is not waited for
// longer than the deadline, over TLS as servers have it.
func TestDeadlineEndsAHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, _ := patientPipe(t)
		server := tls.Server(conn, &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, errors.New("none") }})
		began := time.Now()
		_ = server.SetDeadline(began.Add(10 * time.Second))
		err := server.HandshakeContext(t.Context())
		if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != 10*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// TestDeadlineThatIsEarlyLosesNoByte moves the deadline on and lets the timer of
// the earlier one fire in the middle of a write.
func TestDeadlineThatIsEarlyLosesNoByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, peer := patientPipe(t)
		_ = conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
		_ = conn.SetWriteDeadline(time.Now().Add(time.Minute))
		got := make(chan string)
		go func() {
			buf := make([]byte, 4)
			_, _ = io.ReadFull(peer, buf[:2])
			<-time.After(20 * time.Second)
			_, _ = io.ReadFull(peer, buf[2:])
			got <- string(buf)
		}()
		if n, err := conn.Write([]byte("abcd")); n != 4 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if text := <-got; text != "abcd" {
			t.Errorf("the peer got %q", text)
		}
	})
}

// hasty is a connection that fails with what it has read.
type hasty struct{ net.Conn }

func (hasty) Read(p []byte) (int, error)      { return copy(p, "x"), os.ErrDeadlineExceeded }
func (hasty) SetReadDeadline(time.Time) error { return nil }

func TestDeadlineIsReportedWithWhatWasRead(t *testing.T) {
	l := pipes{ends: make(chan net.Conn, 1)}
	l.ends <- hasty{}
	conn, err := patientListener{l}.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 1)); n != 1 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%d, %v", n, err)
	}
}
