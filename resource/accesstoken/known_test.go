package accesstoken

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// compactOf is a token with a header and nothing good behind it.
func compactOf(header string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(header)) + ".e30.c2ln"
}

// TestDecoderKnowsHeaders: what is known of a header is what reading it again says,
// for good ones and bad, whatever was read in between.
func TestDecoderKnowsHeaders(t *testing.T) {
	var headers []string
	for i := range 40 {
		headers = append(headers, fmt.Sprintf(`{"alg":"ES256","typ":"at+jwt","kid":"%d"}`, i),
			fmt.Sprintf(`{"alg":"ES256","kid":"%d","crit":["x"]}`, i), fmt.Sprintf(`{"kid":"%d"}`, i),
			fmt.Sprintf(`{"alg":"ES256","kid":"%d","x":"%s"}`, i, strings.Repeat("x", maxKnown)))
	}
	var decoder Decoder
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for range 3 {
				for _, header := range headers {
					token := compactOf(header)
					got, err := decoder.Decode(token)
					want, wantErr := Decode(token)
					if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Compact{})); diff != "" || fmt.Sprint(err) != fmt.Sprint(wantErr) {
						t.Errorf("%s: %v, want %v\n%s", header, err, wantErr, diff)
					}
				}
			}
		})
	}
	readers.Wait()
	for i := range decoder.known {
		if k := decoder.known[i].Load(); k != nil && len(k.text) > maxKnown {
			t.Errorf("a header of %d octets is kept", len(k.text))
		}
	}
}

// FuzzUsualConfirmation: the short way reads what the long way reads.
func FuzzUsualConfirmation(f *testing.F) {
	const print = "ROk3bAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	for _, seed := range []string{
		`{"x5t#S256":"` + print + `"}`, `{"x5t#S256":"` + print[:41] + `\""}`, `{"x5t#S256":"","jkt":"` + print[:33] + `"}`,
		`{"x5t#S256":"` + print[1:] + "é" + `"}`, `{ "x5t#S256":"` + print[1:] + `"}`, `{"jkt":"` + print + `"}`, `null`, `{}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if !json.Valid([]byte(raw)) {
			return // no member of an object that was read
		}
		short, usual := usualConfirmation([]byte(raw))
		if !usual {
			return
		}
		if long, err := confirmationText([]byte(raw)); err != nil || long != short {
			t.Errorf("%s: %q, and the long way %q %v", raw, short, long, err)
		}
	})
}
