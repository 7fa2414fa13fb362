package inspect

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/certbound/certbound/authz/certinfo"
	"github.com/certbound/certbound/cmd/certbound/internal/cli"
)

// Text writes a report for a terminal.
func Text(w io.Writer, r *certinfo.Report) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i := range r.Certificates {
		if i > 0 {
			fmt.Fprintln(out)
		}
		certificate(out, &r.Certificates[i], i, len(r.Certificates))
	}
	if err := out.Flush(); err != nil {
		return err
	}
	for _, warning := range r.Warnings {
		if _, err := fmt.Fprintf(w, "\nwarning %s: %s", warning.Code, cli.Plain(warning.Text)); err != nil {
			return err
		}
	}
	if len(r.Warnings) == 0 {
		return nil
	}
	_, err := fmt.Fprintln(w)
	return err
}

func certificate(w io.Writer, c *certinfo.Certificate, i, of int) {
	line := func(title, format string, args ...any) {
		fmt.Fprintf(w, "%s\t%s\n", title, cli.Plain(fmt.Sprintf(format, args...)))
	}
	line("certificate", "%d of %d, %s", i+1, of, c.Role)
	line("subject", "%s", c.Subject)
	line("issuer", "%s", c.Issuer)
	line("serial", "%s", c.Serial)
	line("valid", "%s to %s (%s)", c.NotBefore.Format(time.RFC3339), c.NotAfter.Format(time.RFC3339), c.Validity)
	line("key", "%s, signed with %s", c.Key, c.Signature)
	line("usage", "%s; extended: %s; CA: %t; X.509 v%d", list(c.KeyUsage), list(c.ExtUsage), c.CA, c.Version)
	for _, name := range c.Names {
		problem := ""
		if name.Problem != "" {
			problem = " (no use: " + name.Problem + ")"
		}
		line(name.Kind, "%s%s", name.Value, problem)
	}
	if c.Unseen > 0 {
		line("other names", "%d, of kinds that no subject value matches", c.Unseen)
	}
	if c.Suggested != nil {
		line("register with", "%s: %s", c.Suggested.Member, c.Suggested.Value)
	}
	line("x5t#S256", "%s", c.Thumbprint)
	line("  not this", "%s (SHA-256 in hex)", c.SHA256Hex)
	line("  nor this", "%s (SHA-1)", c.SHA1Hex)
}

func list(names []string) string {
	if len(names) == 0 {
		return "none stated"
	}
	return strings.Join(names, " ")
}
