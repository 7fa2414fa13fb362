package revokefeed_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/revokefeed"
)

// loaded is a follower that knows n entries of each kind that is looked up.
func loaded(t testing.TB, n int) *revokefeed.Follower {
	t.Helper()
	s := newServer(t)
	var entries []revokefeed.Entry
	for i := range n {
		print := thumbprint.Thumbprint{1, byte(i), byte(i >> 8), byte(i >> 16)}
		entries = append(entries,
			revokefeed.Entry{Kind: revokefeed.KindClient, Subject: fmt.Sprintf("client-%d", i), MinGeneration: 2},
			revokefeed.Entry{Kind: revokefeed.KindCertificate, Subject: print.String()},
			revokefeed.Entry{Kind: revokefeed.KindToken, Subject: fmt.Sprintf("token-%d", i)})
	}
	s.publish(entries...)
	f, err := revokefeed.NewFollower(s.config())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- f.Run(ctx) }()
	for asked := range s.questions {
		if asked == fmt.Sprintf("%d 25s", s.seq) {
			break
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	return f
}

// TestCheckAllocates nothing: it runs on every request.
func TestCheckAllocates(t *testing.T) {
	f := loaded(t, 100)
	c := &accesstoken.Claims{ClientID: "client-7", ID: "alive", Generation: 2, Thumbprint: thumbprint.Thumbprint{9}}
	if n := testing.AllocsPerRun(100, func() { _, _ = f.Check(c, "k1") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkCheck(b *testing.B) {
	for _, n := range []int{0, 100, 10_000} {
		b.Run(fmt.Sprintf("entries=%d", 3*n), func(b *testing.B) {
			f := loaded(b, n)
			c := &accesstoken.Claims{ClientID: "client-7", ID: "alive", Generation: 2, Thumbprint: thumbprint.Thumbprint{9}}
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if reason, err := f.Check(c, "k1"); reason != "" || err != nil {
						b.Error(reason, err)
					}
				}
			})
		})
	}
}

// BenchmarkDelta is what one revocation costs a follower that knows many.
func BenchmarkDelta(b *testing.B) {
	for _, n := range []int{100, 50_000} {
		b.Run(fmt.Sprintf("entries=%d", n), func(b *testing.B) {
			apply := revokefeed.NewState(n)
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				apply(revokefeed.Entry{Kind: revokefeed.KindToken, Action: revokefeed.ActionDeny,
					Subject: fmt.Sprintf("new-%d", i%100), Expires: time.Now().Add(time.Hour)})
			}
		})
	}
}
