// Command load measures what certbound costs, as ratios to bare baselines in
// the same run on the same machine. Only the ratios travel to other machines.
//
//	go run ./conformance/load                       # the table, 15 rounds a scenario
//	go run ./conformance/load -only proxy-seen      # one scenario
//	go run ./conformance/load -profile              # and where the CPU goes
//	go run ./conformance/load -memory 1000000       # the proxy's memory over distinct tokens
//
// It starts the real binary (`serve` and `proxy`, with the durable audit and the
// revocation feed of their defaults), the baselines and an upstream, each in a
// session of its own, and sends them the same number of requests in turn,
// closed loop, over mutual TLS on loopback. What is compared is the CPU the
// server's process used per request. Every round measures the baseline twice:
// the ratio of the two is the noise the other ratios have to be read with. It
// stops by itself, and asserts nothing: a slow machine is not a fault.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

type options struct {
	binary      string
	rounds      int
	requests    int
	connections int
	only        string
	profile     bool
	memory      int
	durability  string
}

func main() {
	if len(os.Args) > 2 && os.Args[1] == baselineCommand {
		exit(runBaseline(os.Args[2], os.Args[3:]))
	}
	var o options
	flag.StringVar(&o.binary, "binary", "", "certbound binary; empty builds one")
	flag.IntVar(&o.rounds, "rounds", 15, "rounds per scenario")
	flag.IntVar(&o.requests, "requests", 3000, "requests per server and round on kept-alive connections; a quarter of it with a connection each")
	flag.IntVar(&o.connections, "connections", 16, "connections at once")
	flag.StringVar(&o.only, "only", "", "the one scenario to run; empty runs all")
	flag.BoolVar(&o.profile, "profile", false, "show where certbound's CPU goes in each scenario")
	flag.IntVar(&o.memory, "memory", 0, "instead: send this many distinct tokens to the proxy and show its resident memory")
	flag.StringVar(&o.durability, "audit", "strict", "audit.durability of the authorization server: strict or async")
	flag.Parse()
	if o.rounds < 1 || o.requests < 1 || o.connections < 1 || o.memory < 0 || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exit(run(ctx, o))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run(ctx context.Context, o options) (err error) {
	dir, err := os.MkdirTemp("", "certbound-load-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r, err := newRig(ctx, dir, o)
	if err != nil {
		return err
	}
	defer r.stop()
	if o.memory > 0 {
		return r.memory(ctx, o.memory)
	}
	return r.table(ctx)
}
