// Package grpcverifier protects gRPC services with the verifier of package
// resource: certificate-bound access tokens (RFC 8705 §3) in the authorization
// metadata, over the mutual TLS connection that they are bound to.
//
//	tokens, err := grpcverifier.New(grpcverifier.Config{
//		Verifier: verifier,
//		Methods: map[string]resource.Policy{
//			"/accounts.v1.Accounts/List":     {AllOf: []string{"accounts:read"}},
//			"/accounts.v1.Accounts/Transfer": {AllOf: []string{"accounts:write"}},
//		},
//	})
//	server := grpc.NewServer(
//		grpc.Creds(credentials.NewTLS(&tls.Config{ClientAuth: tls.RequestClientCert, SessionTicketsDisabled: true, …})),
//		grpc.UnaryInterceptor(tokens.Unary), grpc.StreamInterceptor(tokens.Stream))
//
// Every check is made for every RPC. A method that is not listed is refused, so
// that one that is added to a service later is closed until somebody says who may
// call it. Handlers find the token with resource.FromContext.
//
// A stream is checked when it is opened, and again while messages go over it, at
// most once in Config.Recheck: it ends when its token expires or is revoked.
//
// The package stands apart from resource so that users of the verifier do not pull
// in gRPC.
package grpcverifier
