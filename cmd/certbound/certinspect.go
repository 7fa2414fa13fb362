package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/authz/certinfo"
	"github.com/certbound/certbound/cmd/certbound/internal/cli"
	"github.com/certbound/certbound/cmd/certbound/internal/inspect"
)

func (m *Main) certInspectCommand() *cobra.Command {
	var at moment
	output := cli.OneOf{Value: "table", Allowed: []string{"table", "json"}}
	cmd := &cobra.Command{
		Use:   "inspect FILE|HOST:PORT",
		Short: "Say what a client certificate is called, how to register it, and what speaks against it",
		Long: `inspect reads certificates in PEM (a chain, the client's first) or one in DER; - is
standard input. Of HOST:PORT it reads what the server there presents in a TLS
handshake, whoever signed it, and ends the connection. It shows the names as the five subject values of RFC 8705 §2.1.2
see them, the thumbprint that tokens are bound to (and the two digests that are
often taken for it), and warnings. It asks nobody else, and prints no private key.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := certificatesOf(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			report := certinfo.New(file, at.or(time.Now()))
			if output.Value == "json" {
				return cli.JSON(m.Stdout, report)
			}
			return inspect.Text(m.Stdout, report)
		},
	}
	cmd.Flags().Var(&at, "at", "judge as of this time (RFC 3339) instead of now")
	outputFlag(cmd, &output)
	return cmd
}

// outputFlag adds -o with its words.
func outputFlag(cmd *cobra.Command, output *cli.OneOf) {
	cmd.Flags().VarP(output, "output", "o", "how to print")
	must(cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(output.Allowed, cobra.ShellCompDirectiveNoFileComp)))
}

// fileFlags lets the shell complete names of files by their endings.
func fileFlags(cmd *cobra.Command, endings []string, names ...string) {
	for _, name := range names {
		must(cmd.MarkFlagFilename(name, endings...))
	}
}

// certificatesOf reads a file, or asks a server: a name with a port that is no file.
func certificatesOf(ctx context.Context, name string) (*certinfo.File, error) {
	if _, err := os.Stat(name); err == nil || !inspect.IsAddress(name) {
		return readCertificates(name)
	}
	presented, err := inspect.Presented(ctx, name)
	return presented, cli.Exit(cli.Refused, err)
}

// readCertificates reads a file of certificates; the message names it.
func readCertificates(path string) (*certinfo.File, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	file, err := certinfo.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return file, nil
}

// maxInput bounds what is read from a file or from standard input.
const maxInput = 4 << 20

// readFile reads a file, or standard input for "-".
func readFile(path string) ([]byte, error) {
	file := os.Stdin
	if path != "-" {
		opened, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer func() { _ = opened.Close() }() // only read from
		file = opened
	}
	data, err := io.ReadAll(io.LimitReader(file, maxInput+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxInput {
		return nil, fmt.Errorf("%s: more than %d bytes", path, maxInput)
	}
	return data, nil
}

// readPublic is readFile for what goes to a server. Of the files that are made with a
// certificate the key is the one that is easily taken for it.
func readPublic(path string) ([]byte, error) {
	data, err := readFile(path)
	if err == nil && bytes.Contains(data, []byte("PRIVATE KEY")) {
		return nil, fmt.Errorf("%s holds a private key, which nobody but its owner needs; nothing was sent", path)
	}
	return data, err
}

// moment is a flag that takes a time.
type moment struct{ time.Time }

// String is "" for no time.
func (m *moment) String() string {
	if m.IsZero() {
		return ""
	}
	return m.Format(time.RFC3339)
}

// Type is what cobra shows as the kind of value.
func (m *moment) Type() string { return "time" }

// Set reads RFC 3339.
func (m *moment) Set(s string) (err error) {
	if m.Time, err = time.Parse(time.RFC3339, s); err != nil {
		return fmt.Errorf("%q is not a time such as 2026-01-02T15:04:05Z", s)
	}
	return nil
}

func (m *moment) or(now time.Time) time.Time {
	if m.IsZero() {
		return now
	}
	return m.Time
}
