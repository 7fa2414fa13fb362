package fositex

import (
	"context"
	"errors"
	"slices"
	"testing"
)

func TestClientCredentials(t *testing.T) {
	broken := errors.New("the signer is broken")
	mint := func(_ context.Context, scopes []string) (string, error) { return "token:" + scopes[0], nil }
	for _, c := range []struct {
		name               string
		allowed, requested []string
		mint               Mint
		want               string
		err                error
	}{
		{"one of two", []string{"a", "b"}, []string{"b"}, mint, "token:b", nil},
		{"not allowed", []string{"a"}, []string{"b"}, mint, "", ErrScope},
		{"one good, one not", []string{"a"}, []string{"a", "b"}, mint, "", ErrScope},
		{"nothing asked", []string{"a"}, nil, mint, "", ErrScope},
		{"no wildcard meaning", []string{"*"}, []string{"b"}, mint, "", ErrScope},
		{"no hierarchy", []string{"accounts"}, []string{"accounts.read"}, mint, "", ErrScope},
		{"case matters", []string{"A"}, []string{"a"}, mint, "", ErrScope},
		{"mint fails", []string{"a"}, []string{"a"}, func(context.Context, []string) (string, error) { return "", broken }, "", broken},
	} {
		t.Run(c.name, func(t *testing.T) {
			token, err := ClientCredentials(t.Context(), Grant{"client", c.allowed, c.requested, "https://api.example"}, c.mint)
			if token != c.want || !errors.Is(err, c.err) {
				t.Errorf("got %q, %v; want %q, %v", token, err, c.want, c.err)
			}
		})
	}
}

func TestMintSeesTheGrantedScopes(t *testing.T) {
	var got []string
	_, err := ClientCredentials(t.Context(), Grant{"client", []string{"a", "b", "c"}, []string{"a", "c"}, "https://api.example"},
		func(_ context.Context, scopes []string) (string, error) {
			got = slices.Clone(scopes)
			return "t", nil
		})
	if err != nil || !slices.Equal(got, []string{"a", "c"}) {
		t.Errorf("mint saw %v (%v), want [a c]", got, err)
	}
}

func BenchmarkClientCredentials(b *testing.B) {
	b.ReportAllocs()
	g := Grant{"client", []string{"a", "b"}, []string{"a"}, "https://api.example"}
	mint := func(context.Context, []string) (string, error) { return "t", nil }
	for b.Loop() {
		if _, err := ClientCredentials(b.Context(), g, mint); err != nil {
			b.Fatal(err)
		}
	}
}
