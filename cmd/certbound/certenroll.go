package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/authz/enroll"
	"github.com/certbound/certbound/cmd/certbound/internal/cli"
	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/keys/ca"
	"github.com/certbound/certbound/resource/decision"
)

type enrollFlags struct{ key, cert, ca string }

func (f *enrollFlags) add(cmd *cobra.Command, key, cert string) {
	flags := cmd.Flags()
	flags.StringVar(&f.key, "key", "", key)
	flags.StringVar(&f.cert, "cert", "", cert)
	flags.StringVar(&f.ca, "ca", "", "roots that sign the authorization server's certificate (PEM)")
	for _, name := range []string{"key", "cert", "ca"} {
		must(cmd.MarkFlagRequired(name))
	}
}

func (m *Main) certEnrollCommand() *cobra.Command {
	var f enrollFlags
	cmd := &cobra.Command{
		Use:   "enroll LINK --key FILE --cert FILE --ca FILE",
		Short: "Make a key here and have its certificate signed, with a link from the operator",
		Long: `enroll makes a key pair, which stays in --key, readable by its owner only, and sends
a certificate request with the link's secret. The certificate, with what leads on to
its CA, is written to --cert. A link of - is read from standard input, so that the
secret stands in no list of processes. Neither file is overwritten.`,
		Args: cobra.ExactArgs(1),
	}
	kind := keyFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		link := args[0]
		if link == "-" {
			text, err := readFile(link)
			if err != nil {
				return err
			}
			link = strings.TrimSpace(string(text))
		}
		at, secret, found := strings.Cut(link, "#")
		if !found || secret == "" {
			return errors.New("the link has no secret: it is what stands after the #")
		}
		for _, file := range []string{f.key, f.cert} {
			if _, err := os.Lstat(file); err == nil {
				return fmt.Errorf("%s is there already, and is not overwritten", file)
			}
		}
		return m.enroll(cmd.Context(), &f, at, secret, ca.KeyKind(kind.Value), nil, writeNew)
	}
	f.add(cmd, "where to write the private key", "where to write the certificate")
	return cmd
}

func (m *Main) certRenewCommand() *cobra.Command {
	var f enrollFlags
	var issuer string
	cmd := &cobra.Command{
		Use:   "renew --issuer URL --key FILE --cert FILE --ca FILE",
		Short: "Have the next certificate signed, with the present one",
		Long: `renew makes a new key pair and has its certificate signed for the same identity, over
mutual TLS with the certificate in --cert, which must have been signed by enrolment.
Then it replaces both files, the key first; the old pair stays good until it expires,
is retired or revoked.`,
		Args: cobra.NoArgs,
	}
	kind := keyFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		pair, err := tls.LoadX509KeyPair(f.cert, f.key)
		if err != nil {
			return fmt.Errorf("%s, %s: %w", f.cert, f.key, err)
		}
		at := strings.TrimSuffix(issuer, "/") + "/enroll"
		return m.enroll(cmd.Context(), &f, at, "", ca.KeyKind(kind.Value), &pair, replaceFile)
	}
	f.add(cmd, "private key of the present certificate; it is replaced", "the present certificate; it is replaced")
	cmd.Flags().StringVar(&issuer, "issuer", "", "issuer URL of the authorization server")
	must(cmd.MarkFlagRequired("issuer"))
	return cmd
}

// enroll makes a key and has it certified.
func (m *Main) enroll(ctx context.Context, f *enrollFlags, at, secret string, kind ca.KeyKind, with *tls.Certificate, write func(string, []byte, os.FileMode) error) error {
	key, err := ca.NewKey(kind)
	if err != nil {
		return err
	}
	text, err := ca.EncodeKey(key)
	if err != nil {
		return err
	}
	defer clear(text)
	client, err := enrollClient(f.ca, at, with)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	if secret != "" {
		// Before the link is used up: it is worth nothing without the key.
		if err := write(f.key, text, 0o600); err != nil {
			return err
		}
	}
	answer, err := askEnroll(ctx, client, at, secret, key)
	if err != nil {
		if secret != "" {
			err = errors.Join(err, os.Remove(f.key))
		}
		return cli.Exit(cli.Refused, err)
	}
	if secret == "" {
		if err := write(f.key, text, 0o600); err != nil {
			return err
		}
	}
	if err := write(f.cert, []byte(answer.Certificate+answer.Chain), 0o644); err != nil {
		return err
	}
	_, err = fmt.Fprintf(m.Stdout, "%s has certificate %s until %s\n", answer.ClientID, answer.Thumbprint, answer.NotAfter.Format(time.RFC3339))
	return err
}

func enrollClient(roots, at string, with *tls.Certificate) (*http.Client, error) {
	u, err := url.Parse(at)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("this is not an https URL")
	}
	pool, err := config.ReadRoots(config.Path(roots))
	if err != nil {
		return nil, err
	}
	settings := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	if with != nil {
		settings.Certificates = []tls.Certificate{*with}
	}
	return &http.Client{
		Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: settings, ForceAttemptHTTP2: true},
		// A redirect would carry the secret to a place nobody named.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

func askEnroll(ctx context.Context, client *http.Client, at, secret string, key crypto.Signer) (*enroll.Answer, error) {
	csr, err := ca.NewRequest(key, ca.ClientProfile{}) // the server says what it is called
	if err != nil {
		return nil, err
	}
	members := map[string]string{"csr": string(csr)}
	if secret != "" {
		members["secret"] = secret
	}
	body, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, at, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("this is not an https URL")
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }() // read to its end below
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		var refused decision.Body
		if json.Unmarshal(text, &refused) != nil || refused.Reason == "" {
			return nil, fmt.Errorf("status %d from what is no enrolment endpoint", response.StatusCode)
		}
		return nil, fmt.Errorf("refused with status %d\n  %-12s %s\n  %-12s %s\n  %-12s %s", response.StatusCode,
			"reason", refused.Reason, "description", refused.ErrorDescription, "request_id", refused.RequestID)
	}
	var answer enroll.Answer
	if err := json.Unmarshal(text, &answer); err != nil || answer.Certificate == "" {
		return nil, errors.New("the answer holds no certificate")
	}
	return &answer, nil
}

// replaceFile replaces a file as a whole.
func replaceFile(file string, text []byte, mode os.FileMode) error {
	next := file + ".new"
	if err := os.Remove(next); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := writeNew(next, text, mode); err != nil {
		return err
	}
	return os.Rename(next, file)
}
