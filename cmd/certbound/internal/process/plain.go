package process

import (
	"log/slog"
	"net/http"
	"time"
)

// PlainServer serves h over plain HTTP, for listeners that stay on loopback or
// in a network of our own. Its limits are tighter than a public listener's:
// nothing it answers is long.
func PlainServer(h http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       120 * time.Second,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
}
