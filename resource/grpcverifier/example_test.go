package grpcverifier_test

import (
	"crypto/tls"
	"log"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	health "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/grpcverifier"
)

// A gRPC server asks for the client's certificate and lists who may call what.
// The method that is not in the list is closed.
func Example() {
	verifier, err := resource.New(resource.Config{Issuer: "https://as.example", Audience: "https://grpc.example"})
	if err != nil {
		log.Fatal(err)
	}
	tokens, err := grpcverifier.New(grpcverifier.Config{
		Verifier: verifier,
		Methods: map[string]resource.Policy{
			"/grpc.health.v1.Health/Check": {AllOf: []string{"health:read"}},
			"/grpc.health.v1.Health/Watch": {AnyOf: []string{"health:read", "health:watch"}},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair("server.pem", "server.key")
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer(
		grpc.Creds(credentials.NewTLS(&tls.Config{
			Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13,
			ClientAuth: tls.RequestClientCert, SessionTicketsDisabled: true,
		})),
		grpc.UnaryInterceptor(tokens.Unary), grpc.StreamInterceptor(tokens.Stream),
	)
	health.RegisterHealthServer(server, &health.UnimplementedHealthServer{})
	listener, err := net.Listen("tcp", ":8444")
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(server.Serve(listener))
}
