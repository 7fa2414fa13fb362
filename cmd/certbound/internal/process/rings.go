package process

import (
	"context"
	"errors"
	"time"

	"github.com/certbound/certbound/authz"
	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/keys"
	"github.com/certbound/certbound/resource/revokefeed"
	"github.com/certbound/certbound/storage"
)

// rings are the signing keys of one authorization server.
type rings struct{ tokens, feed, checkpoints *keys.Ring }

func openRings(ctx context.Context, c *config.Serve, o Options, store storage.Store, sealer *keys.Sealer) (r rings, err error) {
	var errs [3]error
	tokens := ringConfig(c, o, store, sealer, keys.AccessTokens)
	tokens.Algorithm, tokens.Import = c.Keys.Algorithm, o.SigningKey
	r.tokens, errs[0] = keys.Open(ctx, tokens)
	r.feed, errs[1] = keys.Open(ctx, ringConfig(c, o, store, sealer, authz.FeedPurpose))
	r.checkpoints, errs[2] = keys.Open(ctx, ringConfig(c, o, store, sealer, audit.CheckpointPurpose))
	return r, errors.Join(errs[:]...)
}

// ringConfig is what the configuration says of the keys of a purpose.
func ringConfig(c *config.Serve, o Options, store storage.Store, sealer *keys.Sealer, purpose string) keys.Config {
	policy := keys.Policy{CacheTime: time.Duration(c.Keys.JWKSMaxAge), RotateEvery: time.Duration(c.Keys.RotateEvery)}
	switch purpose {
	case keys.AccessTokens:
		policy.Lifetime = oauth.MaxTokenLifetime
	case authz.FeedPurpose:
		policy.Lifetime = revokefeed.Lifetime
	case audit.CheckpointPurpose:
		policy.KeepPublic = true // a checkpoint is verified years later
	}
	return keys.Config{Store: authz.KeyStore(store), Sealer: sealer, Clock: o.clock(), Purpose: purpose, Policy: policy}
}
