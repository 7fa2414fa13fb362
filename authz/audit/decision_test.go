package audit

import (
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/resource/decision"
)

// TestStrangersWriteNoColumns: what a request claims to be is kept within bounds,
// however much of it there is. A row had three copies of 16 KiB.
func TestStrangersWriteNoColumns(t *testing.T) {
	d := decision.Decision{Evidence: decision.Evidence{
		ClaimedClientID: strings.Repeat("x", 16<<10), TokenID: strings.Repeat("j", 6<<10),
	}}
	d.Refuse(decision.CertificateMissing, 401, time.Now())
	event := FromDecision(TokenRefused, &d)
	record, err := event.record()
	if err != nil {
		t.Fatal(err)
	}
	if record.ClientID != "" || record.TokenID != "" || len(record.Detail) > 1<<10 || !strings.Contains(record.Detail, `"claimed_client_id":"xxx`) {
		t.Errorf("client %d bytes, jti %d, detail %s", len(record.ClientID), len(record.TokenID), record.Detail)
	}
	d.Evidence.ClaimedClientID, d.Evidence.TokenID = "nobody-we-know", "t1"
	if e := FromDecision(TokenRefused, &d); e.Client != "nobody-we-know" || e.TokenID != "t1" {
		t.Errorf("client %q, jti %q", e.Client, e.TokenID)
	}
}
