package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/authz/admin"
	"github.com/certbound/certbound/cmd/certbound/internal/adminclient"
	"github.com/certbound/certbound/cmd/certbound/internal/cli"
	"github.com/certbound/certbound/docs"
)

// errNoSuchRequest tells where else to look.
var errNoSuchRequest = errors.New("explain: no event of this request is recorded; what a proxy decided stands in the proxy's log, and refusals beyond audit.refusals_per_second are logged only")

func (m *Main) explainCommand() *cobra.Command {
	var f adminFlags
	request := &cobra.Command{
		Use:   "request ID",
		Short: "Tell the story of one request to the authorization server by its request_id",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return m.withAdmin(&f, func(c *adminclient.Client) error { return m.explainRequest(cmd.Context(), &f, c, args[0]) })
		},
	}
	f.add(request) // the other asks nobody
	return group(&cobra.Command{Use: "explain", Short: "Say why something was refused, and what to do"}, request, m.explainTokenCommand())
}

func (m *Main) explainRequest(ctx context.Context, f *adminFlags, c *adminclient.Client, id string) error {
	var page struct {
		Events []admin.EventView `json:"events"`
	}
	if _, err := c.Get(ctx, eventsPath(url.Values{"request_id": {id}, "limit": {"10"}}), &page); err != nil {
		return err
	}
	if len(page.Events) == 0 {
		return errNoSuchRequest
	}
	if f.output.Value == "json" {
		return cli.JSON(m.Stdout, page.Events)
	}
	for i := range page.Events {
		if err := m.tellEvent(&page.Events[i]); err != nil {
			return err
		}
	}
	return nil
}

// evidence is what of an event's detail is told, in this order.
var evidence = []struct{ member, title string }{
	{"claimed_client_id", "client named"}, {"auth_method", "method"}, {"trust_bundle", "trust bundle"},
	{"expected", "expected"}, {"seen", "seen"}, {"detail", "detail"}, {"aud", "audience"},
	{"certificate", "certificate"}, {"remote_addr", "from"}, {"tls_version", "TLS"},
}

// tellEvent prints one event: what happened, what it rests on, what to do.
func (m *Main) tellEvent(e *admin.EventView) error {
	var detail map[string]any
	if err := json.Unmarshal(e.Detail, &detail); err != nil {
		return fmt.Errorf("explain: the event's detail: %w", err)
	}
	w := tabwriter.NewWriter(m.Stdout, 0, 0, 2, ' ', 0)
	line := func(title, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s\t%s\n", title, cell(value))
		}
	}
	line("request", e.RequestID)
	line("time", e.Time.Format("2006-01-02T15:04:05Z"))
	line("event", e.Kind)
	line("reason", e.Reason)
	line("client", e.Client)
	line("partner", e.Partner)
	line("by", e.Actor)
	for _, one := range evidence {
		line(one.title, plainText(detail[one.member]))
	}
	meaning, check := docs.Reason(e.Reason)
	if meaning != "" { // our own words, not a stranger's
		fmt.Fprintf(w, "it means\t%s\nto check\t%s\n", meaning, check)
	}
	return w.Flush()
}

// plainText shows a member of the detail; an object by its members.
func plainText(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case map[string]any:
		var parts []string
		for _, name := range []string{"subject", "issuer", "serial", "not_after", "x5t_s256"} {
			if text := plainText(v[name]); text != "" {
				parts = append(parts, name+" "+text)
			}
		}
		return strings.Join(parts, ", ")
	default:
		return fmt.Sprint(v)
	}
}
