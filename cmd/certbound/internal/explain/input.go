package explain

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
)

// maxInput is far above what a verifier reads (accesstoken.MaxSize).
const maxInput = 64 << 10

// clean takes what people copy along off a token and says what it took. One line
// break at the end is the file's, not the token's.
func clean(data []byte) (token string, taken []string, err error) {
	if len(data) > maxInput {
		return "", nil, errors.New("explain: the input is too large for a token")
	}
	token = strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if inner, ok := fromAnswer(data); ok {
		token, taken = inner, append(taken, "it is the whole answer of a token endpoint: access_token was taken out of it")
	}
	if trimmed := strings.TrimSpace(token); trimmed != token {
		token, taken = trimmed, append(taken, "there is white space around the token")
	}
	for _, prefix := range []string{"Authorization:", "Bearer "} {
		if len(token) >= len(prefix) && strings.EqualFold(token[:len(prefix)], prefix) {
			token = strings.TrimSpace(token[len(prefix):])
			taken = append(taken, `it begins with "`+strings.TrimSpace(prefix)+`", which belongs to the header and not to the token`)
		}
	}
	for _, quote := range []string{`"`, "'"} {
		if len(token) > 1 && strings.HasPrefix(token, quote) && strings.HasSuffix(token, quote) {
			token, taken = token[1:len(token)-1], append(taken, "the token is in quotes")
		}
	}
	if joined := strings.Join(strings.Fields(token), ""); joined != token {
		token, taken = joined, append(taken, "there is white space within the token, as line wrapping leaves it")
	}
	if token == "" {
		return "", nil, errors.New("explain: there is no token in the input")
	}
	return token, taken, nil
}

// fromAnswer takes the token out of an answer of RFC 6749 §5.1.
func fromAnswer(data []byte) (string, bool) {
	if !bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		return "", false
	}
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	err := json.Unmarshal(data, &answer)
	return answer.AccessToken, err == nil && answer.AccessToken != ""
}
