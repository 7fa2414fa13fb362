package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// memorySteps is how often the memory is read.
const memorySteps = 20

// memory sends distinct tokens through the proxy and prints what it holds.
func (r *rig) memory(ctx context.Context, distinct int) error {
	clients := r.client.clients(r.connections, false)
	defer closeAll(clients)
	fmt.Println("distinct tokens  proxy's resident memory")
	step := max(1, distinct/memorySteps)
	for sent := 0; ; {
		bytes, err := r.proxy.resident()
		if err != nil {
			return err
		}
		fmt.Printf("%15d  %.1f MiB\n", sent, float64(bytes)/(1<<20))
		if sent >= distinct {
			return nil
		}
		n := min(step, distinct-sent)
		tokens, err := r.client.tokens(ctx, r.authz.address, n, r.connections)
		if err != nil {
			return err
		}
		err = each(ctx, clients, n, func(ctx context.Context, client *http.Client, k int) error {
			_, err := send(ctx, client, callRequest(r.proxy.address, tokens[k]))
			return err
		})
		if err != nil {
			return err
		}
		sent += n
	}
}

// drain reads an answer to its end, so that its connection can be used again.
func drain(response *http.Response) error {
	_, err := io.Copy(io.Discard, response.Body)
	if closed := response.Body.Close(); err == nil {
		err = closed
	}
	return err
}
