package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/certbound/certbound/keys/keystest"
)

// nameserver answers every A question with what answers returns next, and says
// that there is no other record.
type nameserver struct {
	conn      net.PacketConn
	questions atomic.Int64
	answers   func(question int64) []string
}

func newNameserver(t *testing.T, answers func(question int64) []string) *nameserver {
	t.Helper()
	var listen net.ListenConfig
	conn, err := listen.ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &nameserver{conn: conn, answers: answers}
	done := make(chan struct{})
	go func() { defer close(done); n.serve() }()
	t.Cleanup(func() { conn.Close(); <-done })
	return n
}

func (n *nameserver) serve() {
	buffer := make([]byte, 1500)
	for {
		size, from, err := n.conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		var message dnsmessage.Message
		if message.Unpack(buffer[:size]) != nil || len(message.Questions) != 1 {
			continue
		}
		message.Response, message.Authoritative, message.Additionals = true, true, nil
		if question := message.Questions[0]; question.Type == dnsmessage.TypeA {
			for _, addr := range n.answers(n.questions.Add(1)) {
				message.Answers = append(message.Answers, dnsmessage.Resource{
					Header: dnsmessage.ResourceHeader{Name: question.Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET},
					Body:   &dnsmessage.AResource{A: netip.MustParseAddr(addr).As4()},
				})
			}
		}
		if packed, err := message.Pack(); err == nil {
			_, _ = n.conn.WriteTo(packed, from)
		}
	}
}

func (n *nameserver) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", n.conn.LocalAddr().String())
	}}
}

// TestRebinding: a name that leads to an allowed address first and then to one's
// own network. 127.0.0.2 plays the internet, 127.0.0.1 the network.
func TestRebinding(t *testing.T) {
	ca := keystest.NewCA(t, "Servers")
	var public, private atomic.Int64
	serve := func(addr string, hits *atomic.Int64) net.Listener {
		var listen net.ListenConfig
		listener, err := listen.Listen(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			hits.Add(1)
			sendJSON("{}")(w, r)
		}))
		server.Listener.Close()
		server.Listener = listener
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Server(t, keystest.DNS("partner.example")).TLS()}}
		server.StartTLS()
		t.Cleanup(server.Close)
		return listener
	}
	port := strconv.Itoa(serve("127.0.0.2:0", &public).Addr().(*net.TCPAddr).Port)
	serve("127.0.0.1:"+port, &private)

	for _, tt := range []struct {
		name    string
		answers func(int64) []string
		want    []bool // whether each fetch succeeds
	}{
		{"the second answer is another", func(question int64) []string {
			if question == 1 {
				return []string{"127.0.0.2"}
			}
			return []string{"127.0.0.1"}
		}, []bool{true, false, false}},
		{"both in one answer", func(int64) []string { return []string{"127.0.0.1", "127.0.0.2"} }, []bool{true, true}},
		{"always one's own", func(int64) []string { return []string{"127.0.0.1"} }, []bool{false}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := New(Config{
				Roots: ca.Pool(), Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")},
				Resolver: newNameserver(t, tt.answers).resolver(),
			})
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range tt.want {
				_, err := c.Get(t.Context(), Request{URL: "https://partner.example:" + port + "/", Accept: jsonOnly})
				refused := (*AddressError)(nil)
				if (err == nil) != want || err != nil && !errors.As(err, &refused) {
					t.Errorf("fetch %d: %v", i+1, err)
				}
			}
		})
	}
	if private.Load() != 0 {
		t.Errorf("one's own network was called %d times", private.Load())
	}
	if public.Load() == 0 {
		t.Error("nothing was fetched")
	}
}
