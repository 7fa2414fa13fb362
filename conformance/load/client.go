package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
)

// identity is the client that sends all requests.
type identity struct{ config *tls.Config }

// clientID is a client of `certbound dev`, matched by its URI.
const clientID = "acme-billing"

func readIdentity(dir string) (identity, error) {
	pool, err := readPool(filepath.Join(dir, "pki/ca.pem"))
	if err != nil {
		return identity{}, err
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "pki", clientID+".pem"), filepath.Join(dir, "pki", clientID+".key"))
	if err != nil {
		return identity{}, err
	}
	return identity{&tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13}}, nil
}

// http is a client with one connection: a new one for each request, or the same
// for all.
func (i identity) http(newEach bool) *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: i.config.Clone(), MaxConnsPerHost: 1, DisableKeepAlives: newEach}}
}

// request is one request to send, made anew each time.
type request func(ctx context.Context) (*http.Request, error)

func tokenRequest(address string) request {
	return func(ctx context.Context) (*http.Request, error) {
		form := "grant_type=client_credentials&scope=accounts%3Aread&client_id=" + clientID
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+address+"/oauth2/token", strings.NewReader(form))
		if err == nil {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		return r, err
	}
}

// callRequest calls the API with the tokens in turn.
func callRequest(address string, tokens ...string) request {
	var next atomic.Int64
	return func(ctx context.Context) (*http.Request, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address+"/accounts", nil)
		if err == nil {
			r.Header.Set("Authorization", "Bearer "+tokens[int(next.Add(1)-1)%len(tokens)])
		}
		return r, err
	}
}

// send sends one request and returns the body of a 200.
func send(ctx context.Context, client *http.Client, make request) ([]byte, error) {
	r, err := make(ctx)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %d %s", r.Method, r.URL, response.StatusCode, body)
	}
	return body, err
}

func (i identity) token(ctx context.Context, address string) (string, error) {
	tokens, err := i.tokens(ctx, address, 1, 1)
	if err != nil {
		return "", err
	}
	return tokens[0], nil
}

func (i identity) call(ctx context.Context, address, token string) error {
	client := i.http(true)
	_, err := send(ctx, client, callRequest(address, token))
	return err
}

// tokens obtains n distinct tokens over some connections.
func (i identity) tokens(ctx context.Context, address string, n, connections int) ([]string, error) {
	out := make([]string, n)
	clients := i.clients(connections, false)
	defer closeAll(clients)
	err := each(ctx, clients, n, func(ctx context.Context, client *http.Client, k int) error {
		body, err := send(ctx, client, tokenRequest(address))
		if err != nil {
			return err
		}
		var answer struct {
			AccessToken string `json:"access_token"`
		}
		err = json.Unmarshal(body, &answer)
		out[k] = answer.AccessToken
		return err
	})
	return out, err
}

func (i identity) clients(n int, newEach bool) []*http.Client {
	clients := make([]*http.Client, n)
	for k := range clients {
		clients[k] = i.http(newEach)
	}
	return clients
}

func closeAll(clients []*http.Client) {
	for _, c := range clients {
		c.CloseIdleConnections()
	}
}

// each does n things, closed loop, one client a worker. The first error ends it:
// a refusal is cheaper than an answer and would flatter whoever gives it.
func each(ctx context.Context, clients []*http.Client, n int, do func(context.Context, *http.Client, int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var workers sync.WaitGroup
	for _, client := range clients {
		workers.Go(func() {
			for ctx.Err() == nil {
				k := int(next.Add(1)) - 1
				if k >= n {
					return
				}
				if err := do(ctx, client, k); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	workers.Wait()
	return context.Cause(ctx)
}
