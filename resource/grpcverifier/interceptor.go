package grpcverifier

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/decision"
)

// Unary is a grpc.UnaryServerInterceptor.
func (i *Interceptor) Unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if i.open[info.FullMethod] {
		return handler(ctx, req)
	}
	token, err := i.admit(ctx, info.FullMethod)
	if err != nil {
		return nil, err
	}
	return handler(resource.NewContext(ctx, token), req)
}

// Stream is a grpc.StreamServerInterceptor.
func (i *Interceptor) Stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if i.open[info.FullMethod] {
		return handler(srv, stream)
	}
	token, err := i.admit(stream.Context(), info.FullMethod)
	if err != nil {
		return err
	}
	return handler(srv, i.watch(stream, info.FullMethod, token))
}

// admit decides about an RPC and logs it. The error is a status.
func (i *Interceptor) admit(ctx context.Context, method string) (*resource.Token, error) {
	r := request(ctx, method)
	policy, listed := i.methods[method]
	if !listed {
		d := decision.New(r, decision.APIRequest, i.clock())
		d.Evidence.Route, d.Evidence.Detail = method, "the method is not listed"
		d.Refuse(decision.RouteUnknown, decision.RouteUnknown.AtResourceServer().Status, i.clock())
		i.sink.Put(ctx, &d)
		return nil, refused(ctx, &resource.Refusal{Decision: d})
	}
	token, err := i.verifier.VerifyPolicy(r, policy)
	if err != nil {
		return nil, i.refuse(ctx, method, err)
	}
	token.Decision.Evidence.Route = method
	i.sink.Put(ctx, &token.Decision)
	return token, nil
}

// refuse logs a refusal and makes a status of it.
func (i *Interceptor) refuse(ctx context.Context, method string, err error) error {
	var refusal *resource.Refusal
	if !errors.As(err, &refusal) { // VerifyPolicy returns nothing else
		panic(err)
	}
	refusal.Decision.Evidence.Route = method
	i.sink.Put(ctx, &refusal.Decision)
	return refused(ctx, refusal)
}

// request shows an RPC to the verifier as the HTTP request that it is. Metadata is
// the header; what gRPC knows of the connection is its TLS state. A transport of
// any other kind, one that merely says that it is secure too, has none, so that
// the verifier finds no certificate.
func request(ctx context.Context, method string) *http.Request {
	r := &http.Request{
		Method: http.MethodPost, URL: &url.URL{Path: method}, RequestURI: method,
		Proto: "HTTP/2.0", ProtoMajor: 2, Header: http.Header{},
	}
	if values := metadata.ValueFromIncomingContext(ctx, "authorization"); len(values) > 0 {
		r.Header["Authorization"] = values
	}
	if p, ok := peer.FromContext(ctx); ok {
		if p.Addr != nil {
			r.RemoteAddr = p.Addr.String()
		}
		if info, ok := p.AuthInfo.(credentials.TLSInfo); ok {
			r.TLS = &info.State
		}
	}
	return r.WithContext(ctx)
}
