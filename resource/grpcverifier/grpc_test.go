package grpcverifier_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	health "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/resource/grpcverifier"
	"github.com/certbound/certbound/resource/jwks"
)

const (
	issuer   = "https://as.example"
	audience = "https://grpc.example"
	check    = "/grpc.health.v1.Health/Check"
	watch    = "/grpc.health.v1.Health/Watch"
	upload   = "/test.v1.Files/Upload"
	list     = "/grpc.health.v1.Health/List"
)

// service is a gRPC service with unary methods and a stream; what it does is
// answer who called.
type service struct {
	health.UnimplementedHealthServer
	steps chan struct{} // one message of the stream each
}

func (s *service) Check(ctx context.Context, _ *health.HealthCheckRequest) (*health.HealthCheckResponse, error) {
	token, ok := resource.FromContext(ctx)
	if !ok || token.ClientID != "acme" {
		return nil, status.Errorf(codes.Internal, "token %+v", token)
	}
	return &health.HealthCheckResponse{Status: health.HealthCheckResponse_SERVING}, nil
}

func (s *service) Watch(_ *health.HealthCheckRequest, stream health.Health_WatchServer) error {
	if token, ok := resource.FromContext(stream.Context()); !ok || token.ClientID != "acme" {
		return status.Errorf(codes.Internal, "token %+v", token)
	}
	for range s.steps {
		if err := stream.Send(&health.HealthCheckResponse{Status: health.HealthCheckResponse_SERVING}); err != nil {
			return err
		}
	}
	return nil
}

func (s *service) List(context.Context, *health.HealthListRequest) (*health.HealthListResponse, error) {
	return nil, status.Error(codes.Internal, "this method is not listed")
}

// bench is a server over real TLS, an issuer whose key the test holds, and what
// has been revoked.
type bench struct {
	signer        jose.Signer
	acme, mallory keystest.Pair
	address       string
	steps         chan struct{}
	tokens        *grpcverifier.Interceptor

	mu      sync.Mutex
	now     time.Time
	dead    decision.Reason
	reasons []decision.Reason
	asked   int // how often the issuer was, about a token
}

// Introspect is resource.Introspector.
func (b *bench) Introspect(context.Context, string) (*accesstoken.Claims, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked++
	return &accesstoken.Claims{
		Issuer: issuer, ClientID: "acme", Audience: []string{audience}, Expiry: b.now.Add(time.Minute),
		Scopes: []string{"read"}, Thumbprint: thumbprint.Of(b.acme.Cert),
	}, true, nil
}

func (b *bench) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *bench) change(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

// Check is resource.Revocations.
func (b *bench) Check(*accesstoken.Claims, string) (decision.Reason, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dead, nil
}

func newBench(t *testing.T) *bench {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{now: time.Now().Truncate(time.Second), steps: make(chan struct{}, 100)}
	b.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "k1"}}, (&jose.SignerOptions{}).WithType("at+jwt"))
	if err != nil {
		t.Fatal(err)
	}
	ca := keystest.NewCA(t, "partners")
	b.acme, b.mallory = ca.Client(t, keystest.CommonName("acme")), ca.Client(t, keystest.CommonName("mallory"))
	verifier, err := resource.New(resource.Config{
		Issuer: issuer, Audience: audience, Keys: jwks.Set{{Key: &key.PublicKey, KeyID: "k1"}},
		Revocations: b, Introspection: b, Clock: b.clock, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := grpcverifier.New(grpcverifier.Config{
		Verifier: verifier, Clock: b.clock, Logger: slog.New(slog.DiscardHandler),
		Methods: map[string]resource.Policy{check: {AllOf: []string{"read"}}, watch: {AnyOf: []string{"read", "watch"}}, upload: {AllOf: []string{"read"}, Introspect: true}},
		Observe: func(d *decision.Decision) { b.change(func() { b.reasons = append(b.reasons, d.Reason) }) },
	})
	if err != nil {
		t.Fatal(err)
	}
	b.tokens = tokens
	pair := ca.Server(t)
	server := grpc.NewServer(
		grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{pair.TLS()}, ClientAuth: tls.RequestClientCert, SessionTicketsDisabled: true})),
		grpc.UnaryInterceptor(tokens.Unary), grpc.StreamInterceptor(tokens.Stream))
	health.RegisterHealthServer(server, &service{steps: b.steps})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.address = listener.Addr().String()
	go func() { _ = server.Serve(listener) }() // ends with Stop
	t.Cleanup(server.Stop)
	return b
}

// client is a connection with pair's certificate; nil for none.
func (b *bench) client(t *testing.T, pair *keystest.Pair) health.HealthClient {
	t.Helper()
	config := &tls.Config{InsecureSkipVerify: true} //nolint:gosec // the server is not what is tested
	if pair != nil {
		cert := pair.TLS()
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	}
	connection, err := grpc.NewClient("passthrough:///"+b.address, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	return health.NewHealthClient(connection)
}

func (b *bench) token(t *testing.T, pair keystest.Pair, scope string) string {
	t.Helper()
	claims, err := json.Marshal(map[string]any{
		"iss": issuer, "sub": "acme", "client_id": "acme", "aud": audience, "jti": "one", "scope": scope, "gen": 1,
		"iat": b.clock().Unix(), "exp": b.clock().Add(5 * time.Minute).Unix(), "cnf": map[string]any{"x5t#S256": thumbprint.Of(pair.Cert).String()},
	})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := b.signer.Sign(claims)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

func with(t *testing.T, values ...string) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	for _, v := range values {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", v)
	}
	return ctx
}

// why is the code of an error and the reason in its details.
func why(err error) string {
	s := status.Convert(err)
	text := s.Code().String()
	for _, d := range s.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			text += " " + info.GetReason()
			if len(info.GetMetadata()["request_id"]) != 32 || info.GetDomain() != "certbound" || !strings.HasPrefix(s.Message(), info.GetReason()+": ") {
				text += " without an id"
			}
		}
	}
	return text
}

// TestUnary: each call is judged by what it carries and by its own connection.
func TestUnary(t *testing.T) {
	b := newBench(t)
	good := b.token(t, b.acme, "read")
	acme, mallory, nobody := b.client(t, &b.acme), b.client(t, &b.mallory), b.client(t, nil)
	for _, tt := range []struct {
		name   string
		client health.HealthClient
		values []string
		want   string
	}{
		{"good", acme, []string{"Bearer " + good}, "OK"},
		{"in other hands", mallory, []string{"Bearer " + good}, "Unauthenticated thumbprint_mismatch"},
		{"in nobody's hands", nobody, []string{"Bearer " + good}, "Unauthenticated certificate_missing"},
		{"good again", acme, []string{"Bearer " + good}, "OK"},
		{"no token", acme, nil, "Unauthenticated token_missing"},
		{"two tokens", acme, []string{"Bearer " + good, "Bearer " + good}, "InvalidArgument request_malformed"},
		{"another scope", acme, []string{"Bearer " + b.token(t, b.acme, "write")}, "PermissionDenied scope_insufficient"},
		{"garbage", acme, []string{"Bearer a.b.c"}, "Unauthenticated token_malformed"},
	} {
		answer, err := tt.client.Check(with(t, tt.values...), &health.HealthCheckRequest{})
		if got := why(err); got != tt.want || err == nil && answer.GetStatus() != health.HealthCheckResponse_SERVING {
			t.Errorf("%s: %s, %v", tt.name, got, err)
		}
	}
	var trailer metadata.MD
	if _, err := acme.List(with(t, "Bearer "+good), &health.HealthListRequest{}, grpc.Trailer(&trailer)); why(err) != "Unimplemented route_unknown" || len(trailer.Get("x-request-id")) != 1 {
		t.Errorf("a method that nobody has listed: %v, trailer %v", err, trailer)
	}
	b.change(func() { b.dead = decision.CertificateRevoked })
	if _, err := acme.Check(with(t, "Bearer "+good), &health.HealthCheckRequest{}); why(err) != "Unauthenticated certificate_revoked" {
		t.Errorf("revoked, on the open connection: %v", err)
	}
	b.change(func() { b.dead = decision.RevocationsStale })
	_, err := acme.Check(with(t, "Bearer "+good), &health.HealthCheckRequest{})
	retry := slices.ContainsFunc(status.Convert(err).Details(), func(d any) bool { _, ok := d.(*errdetails.RetryInfo); return ok })
	if why(err) != "Unavailable revocations_stale" || !retry {
		t.Errorf("stale: %v, retry %t", err, retry)
	}
	if len(b.reasons) != 11 || b.reasons[0] != "" || b.reasons[1] != decision.ThumbprintMismatch {
		t.Errorf("observed %q", b.reasons)
	}
}

// TestStream: refused when it is opened, and ended when its token is.
func TestStream(t *testing.T) {
	b := newBench(t)
	acme := b.client(t, &b.acme)
	open := func(client health.HealthClient, token string) (health.Health_WatchClient, error) {
		stream, err := client.Watch(with(t, "Bearer "+token), &health.HealthCheckRequest{})
		if err != nil {
			return nil, err
		}
		b.steps <- struct{}{}
		_, err = stream.Recv()
		return stream, err
	}
	good := b.token(t, b.acme, "watch")
	if _, err := open(b.client(t, &b.mallory), good); why(err) != "Unauthenticated thumbprint_mismatch" {
		t.Errorf("stolen: %v", err)
	}
	<-b.steps
	for name, end := range map[string]struct {
		how  func()
		want string
	}{
		"revoked": {func() { b.dead, b.now = decision.TokenRevoked, b.now.Add(time.Second) }, "Unauthenticated token_revoked"},
		"expired": {func() { b.now = b.now.Add(5 * time.Minute) }, "Unauthenticated token_expired"},
	} {
		b.change(func() { b.dead = "" })
		stream, err := open(acme, b.token(t, b.acme, "watch"))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		b.change(end.how)
		b.steps <- struct{}{}
		if _, err := stream.Recv(); why(err) != end.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// messages is a stream over which messages come without end.
type messages struct {
	grpc.ServerStream
	ctx context.Context
}

func (m messages) Context() context.Context { return m.ctx }
func (messages) RecvMsg(any) error          { return nil }
func (messages) SendMsg(any) error          { return nil }

// TestUpload: a stream ends for what comes in as well, and its issuer is asked when
// it is opened and not again.
func TestUpload(t *testing.T) {
	b := newBench(t)
	ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs("authorization", "Bearer "+b.token(t, b.acme, "read")))
	ctx = peer.NewContext(ctx, &peer.Peer{AuthInfo: credentials.TLSInfo{State: tls.ConnectionState{
		HandshakeComplete: true, PeerCertificates: []*x509.Certificate{b.acme.Cert},
	}}})
	err := b.tokens.Stream(nil, messages{ctx: ctx}, &grpc.StreamServerInfo{FullMethod: upload}, func(_ any, s grpc.ServerStream) error {
		for range 3 {
			b.change(func() { b.now = b.now.Add(time.Second) })
			if err := s.RecvMsg(nil); err != nil {
				t.Errorf("a good stream: %v", err)
			}
		}
		b.change(func() { b.dead = decision.TokenRevoked })
		if err := s.RecvMsg(nil); err != nil {
			t.Errorf("within the second: %v", err)
		}
		b.change(func() { b.now = b.now.Add(time.Second) })
		if err := s.RecvMsg(nil); why(err) != "Unauthenticated token_revoked" {
			t.Errorf("revoked: %v", err)
		}
		return s.SendMsg(nil)
	})
	if why(err) != "Unauthenticated token_revoked" || b.asked != 1 {
		t.Errorf("%v, asked %d times", err, b.asked)
	}
}

// TestOtherTransports: without TLS of gRPC's own there is no certificate, whatever
// the transport says.
func TestOtherTransports(t *testing.T) {
	b := newBench(t)
	connection, err := grpc.NewClient("passthrough:///"+b.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if _, err := health.NewHealthClient(connection).Check(with(t), &health.HealthCheckRequest{}); status.Code(err) != codes.Unavailable {
		t.Errorf("plain text: %v", err)
	}
	verifier, err := resource.New(resource.Config{Issuer: issuer, Audience: audience, Keys: jwks.Set{}})
	if err != nil {
		t.Fatal(err)
	}
	i, err := grpcverifier.New(grpcverifier.Config{Verifier: verifier, Methods: map[string]resource.Policy{check: {}}, InsecureOpen: []string{list}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	called := func(context.Context, any) (any, error) { return "called", nil }
	ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs("authorization", "Bearer "+b.token(t, b.acme, "read")))
	if out, err := i.Unary(ctx, nil, &grpc.UnaryServerInfo{FullMethod: check}, called); out != nil || why(err) != "Unauthenticated certificate_missing" {
		t.Errorf("no peer: %v, %v", out, err)
	}
	if out, err := i.Unary(t.Context(), nil, &grpc.UnaryServerInfo{FullMethod: list}, called); out != "called" || err != nil {
		t.Errorf("an open method: %v, %v", out, err)
	}
}

func TestNewRefuses(t *testing.T) {
	verifier, err := resource.New(resource.Config{Issuer: issuer, Audience: audience, Keys: jwks.Set{}})
	if err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]grpcverifier.Config{
		"grpcverifier: Verifier is required":                       {},
		"grpcverifier: no method is listed, so nothing could pass": {Verifier: verifier},
		"grpcverifier: /a.B/C is in Methods and in InsecureOpen":   {Verifier: verifier, Methods: map[string]resource.Policy{"/a.B/C": {}}, InsecureOpen: []string{"/a.B/C"}},
		"grpcverifier: Recheck must not be negative":               {Verifier: verifier, InsecureOpen: []string{"/a.B/C"}, Recheck: -1},
		`grpcverifier: Methods: "a.B/C" is not of the form /package.Service/Method` + "\n" + `grpcverifier: Methods: a.B/C: resource: "" is not a scope (RFC 6749 §3.3)`: {Verifier: verifier, Methods: map[string]resource.Policy{"a.B/C": {AllOf: []string{""}}}},
		`grpcverifier: InsecureOpen: "/a.B/*" is not of the form /package.Service/Method`:                                                                                {Verifier: verifier, InsecureOpen: []string{"/a.B/*"}},
	} {
		if _, err := grpcverifier.New(c); err == nil || err.Error() != want {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
}
