package harness

import (
	"fmt"
	"sync"
	"testing"
)

func TestLogWaitsForALine(t *testing.T) {
	var log Log
	var wg sync.WaitGroup
	wg.Go(func() {
		fmt.Fprint(&log, "not JSON\n", `{"msg":"other"}`, "\n", `{"msg":"deci`)
		fmt.Fprint(&log, `sion","request_id":"1","status":401}`, "\n")
	})
	line := log.WaitFor(t, "the decision", func(l Line) bool { return l.Text("msg") == "decision" })
	if line.Text("request_id") != "1" || line.Text("status") != "" || line["status"] != 401.0 {
		t.Errorf("line %v", line)
	}
	wg.Wait()
	fmt.Fprintln(&log, `{"msg":"decision","request_id":"2"}`)
	fmt.Fprint(&log, `{"msg":"decision","request_id":"1"}`) // not complete: no line break
	if n := len(log.Decisions("1")); n != 1 {
		t.Errorf("%d decisions of request 1", n)
	}
}

func TestRefusalHasFourMembers(t *testing.T) {
	resp := Response{Body: []byte(`{"error":"e","error_description":"d","reason":"r","request_id":"i"}`)}
	if got := resp.Refusal(t); got != (Refusal{"e", "d", "r", "i"}) {
		t.Errorf("%+v", got)
	}
}

func TestTokenForm(t *testing.T) {
	const want = "client_id=c&grant_type=client_credentials&scope=a+b"
	if got := TokenForm("c", "scope", "a b").Encode(); got != want {
		t.Errorf("form %s, want %s", got, want)
	}
}
