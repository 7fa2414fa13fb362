package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/authz/admin"
	"github.com/certbound/certbound/cmd/certbound/internal/adminclient"
	"github.com/certbound/certbound/cmd/certbound/internal/cli"
)

const keysPath = "/admin/v1/keys"

func (m *Main) keyCommand() *cobra.Command {
	var f adminFlags
	cmd := group(&cobra.Command{Use: "key", Short: "Signing keys, through the admin API"},
		&cobra.Command{
			Use: "list", Short: "List the signing keys: what signs, what is going to, what did", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return m.withAdmin(&f, func(c *adminclient.Client) error {
					var list struct {
						Keys []*admin.KeyView `json:"keys"`
					}
					if _, err := c.Get(cmd.Context(), keysPath, &list); err != nil {
						return err
					}
					return m.printKeys(&f, list.Keys)
				})
			},
		},
		m.keyRotate(&f), m.keyRevoke(&f),
	)
	f.add(cmd)
	return cmd
}

func (m *Main) keyRotate(f *adminFlags) *cobra.Command {
	var purpose, algorithm, reason string
	var b body
	cmd := &cobra.Command{
		Use: "rotate", Short: "Let the next key sign: now, or as soon as every resource server knows it", Args: cobra.NoArgs,
		Long: `rotate makes the next key sign, publishes another one as next, and retires the one
that signed: it stays published until its last token has expired. No token is
refused because of it. A next key that was published too lately waits until it is
known everywhere; the answer says until when.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return m.withAdmin(f, func(c *adminclient.Client) error {
				body := map[string]string{}
				for name, value := range map[string]string{"purpose": purpose, "alg": algorithm, "reason": reason} {
					if value != "" {
						body[name] = value
					}
				}
				answer, err := c.Do(cmd.Context(), b.post(keysPath+"/rotate", body))
				if err != nil {
					return err
				}
				if b.dryRun {
					return m.printAnswer(f, answer.Body, nil)
				}
				var done admin.KeyRotation
				if err := json.Unmarshal(answer.Body, &done); err != nil {
					return err
				}
				return m.printRotation(f, &done)
			})
		},
	}
	cmd.Flags().StringVar(&purpose, "purpose", "", "what the key signs: access_token (default), revocation_feed or audit_checkpoint")
	cmd.Flags().StringVar(&algorithm, "alg", "", "algorithm of the key; default what signs by default")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit event")
	addDryRun(cmd, &b.dryRun)
	return cmd
}

func (m *Main) keyRevoke(f *adminFlags) *cobra.Command {
	var reason string
	var b body
	cmd := &cobra.Command{
		Use: "revoke KID --reason TEXT", Short: "Revoke a stolen key: every token it signed is refused everywhere within a second", Args: cobra.ExactArgs(1),
		Long: `revoke takes a key out of the published set at once, lets another one sign, and
tells resource servers to refuse what it has signed. Honest clients have to get new
tokens. It cannot be undone.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return m.withAdmin(f, func(c *adminclient.Client) error {
				body := map[string]string{"reason": reason}
				answer, err := c.Do(cmd.Context(), b.post(keysPath+"/"+url.PathEscape(args[0])+"/revoke", body))
				if err != nil {
					return err
				}
				if b.dryRun || f.output.Value == "json" {
					return m.printAnswer(f, answer.Body, nil)
				}
				var done admin.KeyRevocation
				if err := json.Unmarshal(answer.Body, &done); err != nil {
					return err
				}
				_, err = fmt.Fprintf(m.Stdout, "%s revoked; signing goes on with %s\n", done.Key.KID, cmp.Or(done.ReplacedBy, "the key that is active"))
				return err
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit event")
	addDryRun(cmd, &b.dryRun)
	must(cmd.MarkFlagRequired("reason"))
	return cmd
}

func (m *Main) printRotation(f *adminFlags, done *admin.KeyRotation) error {
	if f.output.Value == "json" {
		return cli.JSON(m.Stdout, done)
	}
	var err error
	switch {
	case done.Rotated && done.Active != nil:
		_, err = fmt.Fprintf(m.Stdout, "%s signs from now on\n", done.Active.KID)
	case done.Next != nil:
		_, err = fmt.Fprintf(m.Stdout, "%s signs from %s on: until then not everybody knows it\n", done.Next.KID, instant(done.Next.DueAt))
	}
	return err
}

// printKeys prints what there is as a table, or all of it as JSON.
func (m *Main) printKeys(f *adminFlags, views []*admin.KeyView) error {
	if f.output.Value == "json" {
		return cli.JSON(m.Stdout, views)
	}
	w := tabwriter.NewWriter(m.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KID\tPURPOSE\tALG\tSTATUS\tSINCE\tUNTIL")
	for _, v := range views {
		printKey(w, v)
	}
	return w.Flush()
}

// printKey prints since when a key has its status, and until when when that is
// known.
func printKey(w io.Writer, v *admin.KeyView) {
	since, until := &v.CreatedAt, (*time.Time)(nil)
	switch v.Status {
	case "next":
		until = v.DueAt
	case "active":
		since = v.ActivatedAt
	case "retired":
		since, until = v.RetiredAt, v.ExpiresAt
	case "revoked":
		since = v.RevokedAt
	}
	fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", v.KID, v.Purpose, v.Algorithm, v.Status, instant(since), instant(until))
}

func instant(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Format("2006-01-02T15:04:05Z")
}
