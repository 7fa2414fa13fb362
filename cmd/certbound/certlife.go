package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/cmd/certbound/internal/adminclient"
	"github.com/certbound/certbound/cmd/certbound/internal/cli"
	"github.com/certbound/certbound/keys/thumbprint"
)

// lifeFields are the members that say where in its life a certificate is.
var lifeFields = []string{
	"x5t#S256", "client_id", "subject", "status", "source", "not_after", "retire_at", "first_seen", "last_seen", "revoked_at", "revocation_reason",
}

// thumbprintOf is a thumbprint, or that of the certificate in a file.
func thumbprintOf(text string) (string, error) {
	if _, err := thumbprint.Parse(text); err == nil {
		return text, nil
	}
	if _, err := os.Stat(text); err != nil {
		return "", fmt.Errorf("%q is neither an x5t#S256 nor a file", text)
	}
	leaf, err := readCertificate(text)
	if err != nil {
		return "", err
	}
	return thumbprint.Of(leaf).String(), nil
}

func (m *Main) certRetireCommand() *cobra.Command {
	var f adminFlags
	var at moment
	var in time.Duration
	var reason string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "retire X5T|FILE (--at TIME | --in DURATION)",
		Short: "Accept a certificate until a given time, for a rotation",
		Long: `retire ends a certificate before its own end. Until then it is accepted; no token
issued for it lives longer; afterwards it is refused, on open connections as well. A
time after its notAfter takes a retirement back.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			x5t, err := thumbprintOf(args[0])
			if err != nil {
				return err
			}
			body := map[string]any{"reason": reason, "retire_at": at.or(time.Now().Add(in)).UTC().Truncate(time.Second).Add(time.Second)}
			return m.call(cmd.Context(), &f, adminclient.Call{
				Method: http.MethodPost, Path: tried("/admin/v1/certificates/"+x5t+"/retire", dryRun), Body: body,
			}, lifeFields)
		},
	}
	flags := cmd.Flags()
	flags.Var(&at, "at", "the time (RFC 3339)")
	flags.DurationVar(&in, "in", 0, "the time from now, such as 168h")
	flags.StringVar(&reason, "reason", "", "why, for the audit event")
	cmd.MarkFlagsOneRequired("at", "in")
	cmd.MarkFlagsMutuallyExclusive("at", "in")
	addDryRun(cmd, &dryRun)
	f.add(cmd)
	return cmd
}

func (m *Main) certExpiringCommand() *cobra.Command {
	var f adminFlags
	var within time.Duration
	cmd := &cobra.Command{
		Use: "expiring", Short: "List the certificates of all clients that end soon", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return m.withAdmin(&f, func(c *adminclient.Client) error {
				query := url.Values{"limit": {"500"}, "expires_before": {time.Now().Add(within).UTC().Format(time.RFC3339)}}
				all, err := pagesOf(cmd.Context(), c, "/admin/v1/certificates?"+query.Encode(), "certificates")
				if err != nil {
					return err
				}
				return m.printList(&f, []column{
					shown("UNTIL", "not_after"), shown("CLIENT", "client_id"), shown("STATUS", "status"), shown("SUBJECT", "subject"), shown("X5T#S256", "x5t#S256"),
				}, all)
			})
		},
	}
	cmd.Flags().DurationVar(&within, "within", 30*day, "how soon")
	f.add(cmd)
	return cmd
}

func (m *Main) certStatusCommand() *cobra.Command {
	var f adminFlags
	var wait bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "status X5T|FILE [--wait-seen]",
		Short: "Say where in its life a certificate is, and when it was used; or wait until it is",
		Long: `status shows a certificate that is on record. With --wait-seen it returns when the
certificate has got its first token, for a script that retires the old one then; exit
code 3 says that it has not within --timeout.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			x5t, err := thumbprintOf(args[0])
			if err != nil {
				return err
			}
			path := "/admin/v1/certificates/" + x5t
			if wait {
				ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
				defer cancel()
				if err := m.withAdmin(&f, func(c *adminclient.Client) error { return waitSeen(ctx, c, path) }); err != nil {
					return err
				}
			}
			return m.call(cmd.Context(), &f, adminclient.Call{Method: http.MethodGet, Path: path}, lifeFields)
		},
	}
	cmd.Flags().BoolVar(&wait, "wait-seen", false, "wait until it has been used")
	cmd.Flags().DurationVar(&timeout, "timeout", time.Hour, "how long to wait")
	f.add(cmd)
	return cmd
}

// pollSeen is how often the server is asked.
const pollSeen = time.Second

func waitSeen(ctx context.Context, c *adminclient.Client, path string) error {
	ticker := time.NewTicker(pollSeen)
	defer ticker.Stop()
	for {
		var record struct {
			FirstSeen *time.Time `json:"first_seen"`
		}
		_, err := c.Get(ctx, path, &record)
		var problem *adminclient.Problem
		switch {
		case err == nil && record.FirstSeen != nil:
			return nil
		case errors.As(err, &problem) && problem.Status == http.StatusNotFound:
			// A tls_client_auth client's certificate is on record once it was used.
		case err != nil && ctx.Err() == nil:
			return err
		}
		select {
		case <-ctx.Done():
			return cli.Exit(cli.Failed, errors.New("the certificate has not been used in time"))
		case <-ticker.C:
		}
	}
}
