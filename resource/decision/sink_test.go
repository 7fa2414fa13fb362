package decision_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/certbound/certbound/resource/decision"
)

// TestSinkPut: a decision is logged first, so that whoever is told of it can look
// it up.
func TestSinkPut(t *testing.T) {
	var out bytes.Buffer
	d := decision.Decision{RequestID: "r1", Reason: decision.TokenMissing}
	var observed []*decision.Decision
	sink := decision.Sink{Logger: slog.New(slog.NewJSONHandler(&out, nil)), Observe: func(d *decision.Decision) {
		if out.Len() == 0 {
			t.Error("observed before it was logged")
		}
		observed = append(observed, d)
	}}
	sink.Put(t.Context(), &d)
	if len(observed) != 1 || observed[0] != &d || bytes.Count(out.Bytes(), []byte("\n")) != 1 {
		t.Errorf("observed %v, logged %q", observed, out.String())
	}
	sink.Observe = nil
	sink.Put(t.Context(), &d)
	if bytes.Count(out.Bytes(), []byte("\n")) != 2 {
		t.Errorf("without an observer it logged %q", out.String())
	}
}

// TestRecoverObserves: the refusal of a panic is a decision like any other.
func TestRecoverObserves(t *testing.T) {
	var observed []decision.Reason
	sink := decision.Sink{Logger: slog.New(slog.DiscardHandler), Observe: func(d *decision.Decision) { observed = append(observed, d.Reason) }}
	h := decision.Recover(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("ouch") }), decision.APIRequest, sink, time.Now)
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "GET", "/", nil))
	if len(observed) != 1 || observed[0] != decision.InternalError {
		t.Errorf("observed %v", observed)
	}
}
