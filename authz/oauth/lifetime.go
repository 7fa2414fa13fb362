package oauth

import "time"

// Bounds of an access token's life (design rule 10).
const (
	DefaultTokenLifetime = 5 * time.Minute
	MaxTokenLifetime     = time.Hour
)
