package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/authz/admin"
	"github.com/certbound/certbound/cmd/certbound/internal/adminclient"
	"github.com/certbound/certbound/cmd/certbound/internal/cli"
)

// auditFilters are the parameters of the list, in the order they are shown.
var auditFilters = []struct{ name, flag, usage string }{
	{"partner", "partner", "events of this partner and its clients"},
	{"client", "client", "events of this client"},
	{"thumbprint", "thumbprint", "events with this certificate (x5t#S256)"},
	{"reason", "reason", "events with this reason"},
	{"request_id", "request-id", "the events of one request"},
	{"kind", "kind", "events of this kind, such as token.refused"},
	{"since", "since", "not before this time (RFC 3339)"},
	{"until", "until", "before this time (RFC 3339)"},
}

func (m *Main) auditCommand() *cobra.Command {
	var f adminFlags
	list, export := m.auditList(&f), m.auditExport(&f)
	f.add(list) // not on the group: it has commands that read the database themselves
	f.add(export)
	return group(&cobra.Command{Use: "audit", Short: "Read and verify the audit trail"}, list, export)
}

// filters adds the filter flags to cmd; the function returns what they say.
func filters(cmd *cobra.Command) func() url.Values {
	values := make([]string, len(auditFilters))
	for i, one := range auditFilters {
		cmd.Flags().StringVar(&values[i], one.flag, "", one.usage)
	}
	return func() url.Values {
		query := url.Values{}
		for i, one := range auditFilters {
			if values[i] != "" {
				query.Set(one.name, values[i])
			}
		}
		return query
	}
}

type eventPage struct {
	Events []json.RawMessage `json:"events"`
}

func eventsPath(query url.Values) string { return "/admin/v1/audit-events?" + query.Encode() }

func (m *Main) auditList(f *adminFlags) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the newest events that match", Args: cobra.NoArgs}
	query := filters(cmd)
	limit := cmd.Flags().Int("limit", 50, "how many, at most 500")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return m.withAdmin(f, func(c *adminclient.Client) error {
			wanted := query()
			wanted.Set("limit", strconv.Itoa(*limit))
			var page eventPage
			if _, err := c.Get(cmd.Context(), eventsPath(wanted), &page); err != nil {
				return err
			}
			return m.printEvents(f, page.Events)
		})
	}
	return cmd
}

func (m *Main) printEvents(f *adminFlags, events []json.RawMessage) error {
	if f.output.Value == "json" {
		return cli.JSON(m.Stdout, events)
	}
	w := tabwriter.NewWriter(m.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TIME\tKIND\tREASON\tPARTNER\tCLIENT\tACTOR\tREQUEST")
	for _, raw := range events {
		var e admin.EventView
		if err := json.Unmarshal(raw, &e); err != nil {
			return err
		}
		// Quoted where it must be: some of it a stranger has written.
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.Time.Format("2006-01-02T15:04:05Z"),
			cell(e.Kind), cell(e.Reason), cell(e.Partner), cell(e.Client), cell(e.Actor), cell(e.RequestID))
	}
	return w.Flush()
}

// cell is a text in a table: control characters are kept away from the terminal, and
// what is not there takes its place.
func cell(s string) string { return cmp.Or(cli.Plain(s), "-") }

func (m *Main) auditExport(f *adminFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use: "export", Short: "Write every event that matches, one JSON object a line, newest first", Args: cobra.NoArgs,
		Long: `export writes events as the server sent them, prev and hash of the chain included.
When it ends with an error, what it has written is not all.`,
	}
	query := filters(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return m.withAdmin(f, func(c *adminclient.Client) error {
			wanted := query()
			wanted.Set("limit", "500")
			return m.export(cmd.Context(), c, eventsPath(wanted))
		})
	}
	return cmd
}

func (m *Main) export(ctx context.Context, c *adminclient.Client, path string) error {
	for path != "" {
		var page eventPage
		next, err := c.Get(ctx, path, &page)
		if err != nil {
			return err
		}
		for _, event := range page.Events {
			if _, err := fmt.Fprintf(m.Stdout, "%s\n", event); err != nil {
				return err
			}
		}
		path = next
	}
	return nil
}
