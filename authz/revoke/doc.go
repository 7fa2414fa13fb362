// Package revoke ends access tokens before they expire, and tells resource
// servers so: the revocation endpoint (RFC 7009) and the revocation feed that
// RFC 7009 §3 leaves to the implementation for self-contained tokens (its wire
// format is package revokefeed's).
//
// Both authenticate their caller as the token endpoint does, on every request;
// the feed does it again after it has kept a follower waiting. A [Notifier] joins
// them: whoever commits something that the feed carries calls it, and followers
// who wait are answered at once.
package revoke
