package jwks_test

import (
	"testing"
	"time"
	"unsafe"

	"github.com/certbound/certbound/resource/jwks"
)

// asleep is what the clock says on a machine that was suspended at t, for whole
// seconds: the wall clock has gone on and the monotonic one has not. No method of
// package time makes such a time, so it is made of a time.Time's own bits, in which
// the seconds of the wall clock begin at bit 30.
func asleep(t time.Time, slept time.Duration) time.Time {
	*(*uint64)(unsafe.Pointer(&t)) += uint64(slept/time.Second) << 30
	return t
}

func TestAge(t *testing.T) {
	learnt := time.Now()
	slept := asleep(learnt, time.Hour)
	if slept.Sub(learnt) != 0 || slept.Round(0).Sub(learnt.Round(0)) != time.Hour {
		t.Fatalf("a time.Time is made in another way: %v", slept)
	}
	for name, tt := range map[string]struct {
		now  time.Time
		want time.Duration
	}{
		"both clocks":         {learnt.Add(time.Minute), time.Minute},
		"suspended":           {slept.Add(time.Minute), time.Hour + time.Minute},
		"set back":            {asleep(learnt, -time.Hour).Add(time.Minute), time.Minute},
		"wall clock only":     {learnt.Round(0).Add(time.Hour), time.Hour},
		"wall clock set back": {learnt.Round(0).Add(-time.Hour), -time.Hour},
	} {
		if got := jwks.Age(learnt, tt.now); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// TestKeysAgeInTheirSleep: a key that was withdrawn while the machine was suspended
// is asked for when it wakes up.
func TestKeysAgeInTheirSleep(t *testing.T) {
	i := newIssuer()
	i.change(func() { i.now = time.Now() })
	i.publish(t, "k1")
	r := i.remote(t)
	expect(t, r, "k1", "found")
	i.publish(t, "k2")
	i.change(func() { i.now = asleep(i.now.Add(11*time.Second), time.Hour) })
	expect(t, r, "k1", "none")
}
