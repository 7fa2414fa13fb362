package servertls

import (
	"crypto/tls"
	"log"
	"log/slog"
	"net/http"
	"time"
)

// The limits of every listener. No request of ours is long; a connection that
// does not get on holds memory and a descriptor. The shortest of the timeouts
// bounds the TLS handshake too.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = 60 * time.Second
	idleTimeout       = 120 * time.Second
	maxHeaderBytes    = 32 << 10
)

// HTTPServer returns an HTTP server for a listener, with every limit set and its
// error log turned into structured lines. Start it with ServeTLS(listener, "", "").
func HTTPServer(h http.Handler, cfg *tls.Config, logger *slog.Logger) *http.Server {
	if logger == nil {
		logger = slog.Default()
	}
	return &http.Server{
		Handler:           h,
		TLSConfig:         cfg,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		// net/http would answer "OPTIONS *" itself, past every check and every log.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     log.New(&errorLog{logger: logger, minVersion: cfg.MinVersion}, "", 0),
	}
}
