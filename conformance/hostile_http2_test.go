package conformance

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/internal/harness"
)

// field is a header field of HTTP/2, which may hold any octets.
type field struct{ name, value string }

// TestHTTP2RequestsArriveAsOne sends what HTTP/2 can express and HTTP/1.1 would
// read in two ways. Either it is refused, or exactly one request arrives.
func TestHTTP2RequestsArriveAsOne(t *testing.T) {
	t.Parallel()
	clause.Covers(t, "RFC9700-4-13")
	upstream := newRawUpstream(t)
	site := harness.NewSite(t, "http://"+upstream.Addr().String())
	d := site.Start(t)
	one := site.Client(t, "one")
	token := d.Token(t, &one, harness.TokenForm("one")).AccessToken
	config := d.HTTPClient(t, &one, nil).Transport.(*http.Transport).TLSClientConfig.Clone()
	config.ServerName, config.NextProtos = "localhost", []string{"h2"}
	const smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\nX-Certbound-Client: forged\r\n\r\n"
	usual := []field{{":method", "POST"}, {":scheme", "https"}, {":authority", hostOf(t, site.Proxy)}, {":path", "/accounts"}, {"authorization", "Bearer " + token}}
	with := func(more ...field) []field { return append(slices.Clone(usual), more...) }
	pseudo := func(name, value string) []field {
		fields := slices.Clone(usual)
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
		fields[i].value = value
		return fields
	}
	for name, c := range map[string]struct {
		fields []field
		body   string
	}{
		"plain":                            {with(), "hi"},
		"transfer-encoding":                {with(field{"transfer-encoding", "chunked"}), "0\r\n\r\n" + smuggled},
		"content-length too short":         {with(field{"content-length", "0"}), smuggled},
		"content-length too long":          {with(field{"content-length", "400"}), "hi"},
		"two lengths":                      {with(field{"content-length", "2"}, field{"content-length", "0"}), "hi"},
		"line break in a value":            {with(field{"x-note", "a\r\nX-Certbound-Client: forged"}), "hi"},
		"a request in a value":             {with(field{"x-note", "a\r\n\r\n" + smuggled}), "hi"},
		"line feed in a value":             {with(field{"x-note", "a\nX-Certbound-Client: forged"}), "hi"},
		"NUL in a value":                   {with(field{"x-note", "a\x00b"}), "hi"},
		"line break in a name":             {with(field{"x-note: a\r\nx-certbound-client", "forged"}), "hi"},
		"colon in a name":                  {with(field{"x-certbound-client:", "forged"}), "hi"},
		"capitals in a name":               {with(field{"X-Certbound-Client", "forged"}), "hi"},
		"blank in a name":                  {with(field{"x-certbound-client ", "forged"}), "hi"},
		"underscores in a name":            {with(field{"x_certbound_client", "forged"}), "hi"},
		"connection":                       {with(field{"connection", "x-certbound-client"}, field{"x-certbound-client", "forged"}), "hi"},
		"upgrade":                          {with(field{"upgrade", "h2c"}), "hi"},
		"te":                               {with(field{"te", "trailers, chunked"}), "hi"},
		"host beside authority":            {with(field{"host", "evil.test"}), "hi"},
		"blank in the method":              {pseudo(":method", "POST /smuggled HTTP/1.1\r\nX: "), "hi"},
		"line break in the path":           {pseudo(":path", "/accounts HTTP/1.1\r\nX-Certbound-Client: forged\r\nX: "), "hi"},
		"blank in the path":                {pseudo(":path", "/accounts /smuggled"), "hi"},
		"blank in the query":               {pseudo(":path", "/accounts?a=b HTTP/1.0"), "hi"},
		"a whole URL as the path":          {pseudo(":path", "http://evil.test/smuggled"), "hi"},
		"a path without a slash":           {pseudo(":path", "smuggled"), "hi"},
		"line break in the authority":      {pseudo(":authority", "localhost\r\nX-Certbound-Client: forged"), "hi"},
		"line break in the scheme":         {pseudo(":scheme", "https\r\nX-Certbound-Client: forged"), "hi"},
		"pseudo header after the others":   {with(field{":path", "/smuggled"}), "hi"},
		"unknown pseudo header":            {append([]field{{":forged", "x"}}, usual...), "hi"},
		"extended CONNECT":                 {append([]field{{":protocol", "websocket"}}, pseudo(":method", "CONNECT")...), "hi"},
		"identity as HTTP/2 fields":        {with(field{"client-cert", "forged"}, field{"x-forwarded-client-cert", "forged"}), "hi"},
		"cookie crumbs":                    {with(field{"cookie", "a=1"}, field{"cookie", "b=2\r\nX-Certbound-Client: forged"}), "hi"},
		"two authorizations":               {with(field{"authorization", "Bearer x"}), "hi"},
		"an authorization with line break": {append(slices.Clone(usual[:4]), field{"authorization", "Bearer " + token + "\r\nX-Certbound-Client: forged"}), "hi"},
	} {
		t.Run(name, func(t *testing.T) {
			mark := "x-case"
			fields := append(slices.Clone(c.fields), field{mark, strings.ReplaceAll(name, " ", "-")})
			status := exchangeHTTP2(t, hostOf(t, site.Proxy), config, fields, c.body)
			arrived := upstream.take("X-Case: " + strings.ReplaceAll(name, " ", "-") + "\r\n")
			if name == "plain" && (status != "200" || len(arrived) != 1) {
				t.Fatalf("status %s, arrived %q", status, arrived)
			}
			if len(arrived) > 1 {
				t.Fatalf("%d requests arrived: %q", len(arrived), arrived)
			}
			if len(arrived) == 1 {
				expectOneRequest(t, arrived[0])
			}
		})
	}
	for _, late := range upstream.take("") {
		expectOneRequest(t, late)
	}
}

// exchangeHTTP2 sends one request in frames of its own and returns the status, ""
// when the stream or the connection was ended instead.
func exchangeHTTP2(t *testing.T, host string, config *tls.Config, fields []field, body string) (status string) {
	t.Helper()
	conn, err := tls.Dial("tcp", host, config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(15 * time.Second))
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, f := range fields {
		if err := encoder.WriteField(hpack.HeaderField{Name: f.name, Value: f.value}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	framer := http2.NewFramer(conn, conn)
	framer.AllowIllegalWrites = true
	_ = framer.WriteSettings()
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true})
	_ = framer.WriteData(1, true, []byte(body)) // the connection may be gone; reading says so
	return readStatus(framer)
}

func readStatus(framer *http2.Framer) (status string) {
	decoder := hpack.NewDecoder(4096, func(f hpack.HeaderField) {
		if f.Name == ":status" {
			status = f.Value
		}
	})
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return status
		}
		switch f := frame.(type) {
		case *http2.HeadersFrame:
			_, _ = decoder.Write(f.HeaderBlockFragment())
			if f.StreamEnded() {
				return status
			}
		case *http2.DataFrame:
			if f.StreamEnded() {
				return status
			}
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return status
		}
	}
}
