// Package revokefeed is how a resource server learns which tokens are dead
// before they expire: RFC 7009 §3 leaves that to the servers, because a JWT
// carries its own validity. The authorization server publishes what it has
// revoked as a signed feed, and a [Follower] at the resource server keeps the
// state that the feed describes and answers [Follower.Check] from memory.
//
// The feed is a JWT of type [Type], signed by a key that signs nothing else. It
// is full, and then it is the whole state, or a delta from one sequence number
// to another. Both halves go through the same tables ([Feed.Marshal], [Parse]),
// and [Build] decides what an answer holds. Reading is as strict as that of
// access tokens, and stricter about what it does not know: an entry of unknown
// kind or with an unknown member is an error, because skipping it would leave a
// token alive. Update resource servers before the authorization server.
//
// No clocks of two machines are compared to decide what is dead: clients have
// generations, everything else is denied by name until it is lifted.
//
// # The endpoint
//
// GET {issuer}/oauth2/revocations?client_id=ID&after=SEQ&wait=25s over mutual
// TLS answers application/jwt. When there is anything newer than SEQ it answers
// at once, otherwise when something happens or wait is over, and then with no
// entries. So does after=0 while the feed is at 0: a follower that knows nothing
// yet, and must have an answer now, says wait=0s.
//
// The package imports the standard library, go-jose, and this module's leaves
// accesstoken, decision, jwks and keys/thumbprint. It must not import authz or
// storage, and resource does not import it: resource declares the one-method
// interface that a Follower implements.
package revokefeed
