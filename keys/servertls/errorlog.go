package servertls

import (
	"context"
	"log/slog"
	"strings"
)

// errorLog takes the lines net/http writes to its ErrorLog and logs each one,
// level WARN, as "tls_handshake_failed" with the peer and a readable detail, or
// as "http_server". The text is all net/http offers: a failed handshake reaches
// no handler.
type errorLog struct {
	logger     *slog.Logger
	minVersion uint16
}

const handshakePrefix = "http: TLS handshake error from "

// maxLine bounds what one line may hold: a panic comes with its stack, and
// strangers choose part of a handshake error.
const maxLine = 4 << 10

// Write logs one line; log.Logger calls it once a line.
func (e *errorLog) Write(line []byte) (int, error) {
	text := strings.TrimRight(string(line), "\n")
	if len(text) > maxLine {
		text = strings.ToValidUTF8(text[:maxLine], "") + "…"
	}
	addr, cause, isHandshake := cutHandshakeError(text)
	if !isHandshake {
		e.logger.LogAttrs(context.Background(), slog.LevelWarn, "http_server",
			slog.String("detail", strings.TrimPrefix(text, "http: ")))
		return len(line), nil
	}
	e.logger.LogAttrs(context.Background(), slog.LevelWarn, "tls_handshake_failed",
		slog.String("remote_addr", addr),
		slog.String("detail", explain(cause, e.minVersion)),
		slog.String("cause", cause))
	return len(line), nil
}

// cutHandshakeError splits "http: TLS handshake error from ADDR: CAUSE". An IPv6
// address holds colons, but never one with a blank behind it.
func cutHandshakeError(text string) (addr, cause string, ok bool) {
	rest, ok := strings.CutPrefix(text, handshakePrefix)
	if !ok {
		return "", "", false
	}
	return strings.Cut(rest, ": ")
}
