package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// exitSurvivors is the code when not every flaw was killed.
const exitSurvivors = 3

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	clean, err := run(ctx, os.Args[1:], os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if !clean {
		os.Exit(exitSurvivors)
	}
}

// run tries the flaws and reports whether all were killed.
func run(ctx context.Context, args []string, out io.Writer) (clean bool, err error) {
	flags := flag.NewFlagSet("mutation", flag.ContinueOnError)
	only := flags.String("run", "", "only flaws whose name matches")
	timeout := flags.Duration("timeout", 10*time.Minute, "for the tests of one flaw; who needs longer counts as not killed")
	healthy := flags.Bool("healthy", true, "first run the same tests without a flaw: they must pass")
	if err := flags.Parse(args); err != nil {
		return false, err
	}
	match, err := regexp.Compile(*only)
	if err != nil {
		return false, fmt.Errorf("mutation: -run: %w", err)
	}
	flaws, err := load(list)
	if err != nil {
		return false, err
	}
	flaws = slices.DeleteFunc(flaws, func(f Flaw) bool { return !match.MatchString(f.Name) })
	if len(flaws) == 0 {
		return false, errors.New("mutation: no flaw has such a name")
	}
	b := &bench{timeout: *timeout}
	if b.root, err = moduleRoot(); err != nil {
		return false, err
	}
	if b.work, err = os.MkdirTemp("", "certbound-mutation-"); err != nil {
		return false, fmt.Errorf("mutation: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.work)) }()
	if *healthy {
		if err := b.healthy(ctx, flaws, out); err != nil {
			return false, err
		}
	}
	return b.tryAll(ctx, flaws, out)
}

// tryAll prints a line for each flaw, and the score.
func (b *bench) tryAll(ctx context.Context, flaws []Flaw, out io.Writer) (bool, error) {
	var left []string
	for i := range flaws {
		f := &flaws[i]
		began := time.Now()
		v := b.try(ctx, f)
		if ctx.Err() != nil {
			return false, fmt.Errorf("mutation: %w", ctx.Err())
		}
		fmt.Fprintf(out, "%-9s %-34s %5.1fs  %s\n", v.outcome, f.Name, time.Since(began).Seconds(), v.by)
		if v.outcome != killed {
			left = append(left, f.Name)
		}
	}
	fmt.Fprintf(out, "%d of %d flaws killed\n", len(flaws)-len(left), len(flaws))
	if len(left) > 0 {
		fmt.Fprintf(out, "not killed: %s\n", strings.Join(left, " "))
	}
	return len(left) == 0, nil
}

// healthy runs every test that is to kill something without a flaw: one that
// fails anyway would seem to kill all.
func (b *bench) healthy(ctx context.Context, flaws []Flaw, out io.Writer) error {
	var tests []string
	packages := map[string]bool{}
	for i := range flaws {
		f := &flaws[i]
		if f.Tests != "" {
			tests = append(tests, f.Tests)
		}
		if packages[f.Package()] {
			continue
		}
		packages[f.Package()] = true
		if v := b.tests(ctx, "", f.Package(), ""); v.outcome != survived {
			return fmt.Errorf("mutation: without a flaw the tests of %s are %s: %s", f.Package(), v.outcome, v.by)
		}
	}
	if len(tests) > 0 {
		if v := b.goTest(ctx, "", "./conformance", "-run", "^("+strings.Join(tests, "|")+")$"); v.outcome != survived {
			return fmt.Errorf("mutation: without a flaw the black-box tests are %s: %s", v.outcome, v.by)
		}
	}
	fmt.Fprintf(out, "without a flaw the tests of %d packages and the black-box tests pass\n", len(packages))
	return nil
}
