package grpcverifier

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/certbound/certbound/resource"
)

// watched is a stream that ends with its token. Receiving and sending may run at
// the same time.
type watched struct {
	grpc.ServerStream
	interceptor *Interceptor
	method      string
	ctx         context.Context //nolint:containedctx // a grpc.ServerStream has one

	mu   sync.Mutex
	next time.Time // when to check again
	err  error     // why it has ended
}

func (i *Interceptor) watch(s grpc.ServerStream, method string, token *resource.Token) *watched {
	return &watched{
		ServerStream: s, interceptor: i, method: method,
		ctx: resource.NewContext(s.Context(), token), next: i.clock().Add(i.recheck),
	}
}

// Context holds the token.
func (w *watched) Context() context.Context { return w.ctx }

// RecvMsg receives a message, unless the stream may no longer be used: what came
// in after that is dropped.
func (w *watched) RecvMsg(m any) error {
	if err := w.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	return w.check() // after the wait for the message, which may have been long
}

// SendMsg sends a message, unless the stream may no longer be used.
func (w *watched) SendMsg(m any) error {
	if err := w.check(); err != nil {
		return err
	}
	return w.ServerStream.SendMsg(m)
}

// check verifies the stream's token again when it is time to.
func (w *watched) check() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.interceptor.clock()
	if w.err != nil || now.Before(w.next) {
		return w.err
	}
	w.next = now.Add(w.interceptor.recheck)
	policy := w.interceptor.methods[w.method]
	policy.Introspect = false
	if _, err := w.interceptor.verifier.VerifyPolicy(request(w.ServerStream.Context(), w.method), policy); err != nil {
		w.err = w.interceptor.refuse(w.ctx, w.method, err)
	}
	return w.err
}
