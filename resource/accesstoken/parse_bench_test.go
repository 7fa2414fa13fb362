package accesstoken_test

import (
	"testing"

	"github.com/certbound/certbound/resource/accesstoken"
)

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := accesstoken.Parse([]byte(good)); err != nil {
			b.Fatal(err)
		}
	}
}
