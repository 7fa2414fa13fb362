package decision

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// maxBody is how much of an answer is read for its reason.
const maxBody = 4 << 10

// Unwanted describes an answer of our authorization server that is not the one that
// was asked for: its status, and the reason and request id of a common body, which
// are what its operator can look up.
func Unwanted(resp *http.Response) string {
	text := fmt.Sprintf("answered %d instead of 200", resp.StatusCode)
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	var body Body
	if err == nil && json.Unmarshal(data, &body) == nil && body.Reason != "" {
		text += fmt.Sprintf(": reason %q, request_id %q", string(body.Reason), body.RequestID)
	}
	return text
}
