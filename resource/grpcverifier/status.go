package grpcverifier

import (
	"context"
	"net/http"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/decision"
)

// domain is of google.rpc.ErrorInfo: whose reasons they are.
const domain = "certbound"

// codeOf is the gRPC code of an HTTP status. What is not in it is Internal.
var codeOf = map[int]codes.Code{
	http.StatusBadRequest:         codes.InvalidArgument,
	http.StatusUnauthorized:       codes.Unauthenticated,
	http.StatusForbidden:          codes.PermissionDenied,
	http.StatusNotFound:           codes.Unimplemented,
	http.StatusServiceUnavailable: codes.Unavailable,
}

// refused is a refusal as a status: the code and the constant description, with
// google.rpc.ErrorInfo for programs (reason, request_id, scopes) and RetryInfo
// where coming back makes sense. The request id is in the trailer as well.
func refused(ctx context.Context, f *resource.Refusal) error {
	a := f.Decision.Reason.AtResourceServer()
	code, ok := codeOf[a.Status]
	if !ok {
		code = codes.Internal
	}
	info := &errdetails.ErrorInfo{
		Reason: string(a.Public), Domain: domain,
		Metadata: map[string]string{"request_id": f.Decision.RequestID, "error": a.Error},
	}
	if len(f.ScopesNeeded) > 0 {
		info.Metadata["scope"] = strings.Join(f.ScopesNeeded, " ")
	}
	details := []protoadapt.MessageV1{protoadapt.MessageV1Of(info)}
	if f.RetryAfter > 0 {
		details = append(details, protoadapt.MessageV1Of(&errdetails.RetryInfo{RetryDelay: durationpb.New(f.RetryAfter)}))
	}
	// Outside of a server there is no trailer to set; the details say it too.
	_ = grpc.SetTrailer(ctx, metadata.Pairs(strings.ToLower(decision.RequestIDHeader), f.Decision.RequestID))
	s := status.New(code, string(a.Public)+": "+a.Description)
	if detailed, err := s.WithDetails(details...); err == nil {
		s = detailed
	}
	return s.Err()
}
