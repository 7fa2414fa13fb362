package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/authz/admin"
	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/cmd/certbound/internal/adminclient"
	"github.com/certbound/certbound/cmd/certbound/internal/cli"
)

var prunings = &noun{
	word: "pruning", path: "/admin/v1/audit-prunings", plural: "prunings", id: "id",
	columns: []column{shown("ID", "id"), shown("TIME", "created_at"), shown("BY", "by"), shown("EVENTS", "events"), shown("CHECKPOINT OF", "checkpoint_at")},
}

func (m *Main) auditPruneCommand() *cobra.Command {
	var f adminFlags
	var file, reason string
	var b body
	cmd := &cobra.Command{
		Use:   "prune --before-checkpoint FILE [--reason TEXT]",
		Short: "Delete for good the events that a checkpoint covers, and no others",
		Long: `prune gives up the events that a checkpoint covers: what "audit checkpoint" printed,
or "audit checkpoints" lists. From then on the trail begins behind that checkpoint,
and "audit verify" says so and on whose word; the server deletes the events bit by
bit, beside its work. It asks for admin:security, and is an audit event itself. A
trail that is not what the checkpoint has seen is not pruned. Run "audit verify"
first: a chain that turns out not to hold while it is deleted is kept from there on.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := readFile(file)
			if err != nil {
				return err
			}
			content := admin.PruningBody{Checkpoint: strings.TrimSpace(string(text)), Reason: reason}
			return m.withAdmin(&f, func(c *adminclient.Client) error {
				answer, err := c.Do(cmd.Context(), b.post(prunings.path, content))
				if err != nil {
					return err
				}
				return m.printPruning(&f, answer.Body)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&file, "before-checkpoint", "", "file with the checkpoint, - is standard input")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit event")
	addDryRun(cmd, &b.dryRun)
	must(cmd.MarkFlagRequired("before-checkpoint"))
	return cmd
}

// printPruning prints what was given up, or would be.
func (m *Main) printPruning(f *adminFlags, text []byte) error {
	var dry struct {
		DryRun bool              `json:"dry_run"`
		After  admin.PruningView `json:"after"`
	}
	if err := json.Unmarshal(text, &dry); err != nil {
		return err
	}
	if f.output.Value == "json" {
		return cli.JSON(m.Stdout, json.RawMessage(text))
	}
	done, verb := dry.After, "would be given up"
	if !dry.DryRun {
		verb = "given up"
		if err := json.Unmarshal(text, &done); err != nil {
			return err
		}
	}
	for _, s := range done.Streams {
		fmt.Fprintf(m.Stdout, "%s: events %d to %d\n", cli.Plain(s.Instance), s.First, s.Last)
	}
	_, err := fmt.Fprintf(m.Stdout, "%d events %s, up to the checkpoint of %s\n", done.Events, verb, done.CheckpointAt.Format(time.RFC3339))
	return err
}

// auditKeptCommands list what the server keeps of checkpoints and prunings.
func (m *Main) auditKeptCommands() []*cobra.Command {
	var f, g adminFlags
	pruned := m.listCommand(&f, prunings)
	pruned.Use, pruned.Short = "prunings", "List what was pruned of the trail, newest first"
	f.add(pruned)
	signed := &cobra.Command{
		Use: "checkpoints [ID]", Short: "List the checkpoints that the server keeps, newest first, or print one", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return m.withAdmin(&g, func(c *adminclient.Client) error {
				all, err := pagesOf(cmd.Context(), c, "/admin/v1/audit-checkpoints?limit=500", "checkpoints")
				if err != nil {
					return err
				}
				if len(args) == 0 {
					return m.printList(&g, []column{shown("ID", "id"), shown("TIME", "created_at"), shown("KID", "kid")}, all)
				}
				for _, one := range all {
					if cellText(one["id"]) == args[0] {
						_, err := fmt.Fprintln(m.Stdout, cellText(one["checkpoint"]))
						return err
					}
				}
				return fmt.Errorf("audit checkpoints: there is none with the id %q", args[0])
			})
		},
	}
	g.add(signed)
	return []*cobra.Command{pruned, signed}
}

// verdict is what a verification that found nothing wrong comes to.
func verdict(report *audit.Report, kept bool) string {
	switch {
	case len(report.Pruned) == 0 && kept:
		return "consistent, and complete up to the checkpoint"
	case len(report.Pruned) == 0:
		return "consistent; without a checkpoint kept elsewhere nobody can say complete"
	case kept:
		return "consistent, and complete from where it was pruned up to the checkpoint"
	}
	return "consistent from where it was pruned on; without a checkpoint kept elsewhere nobody can say complete"
}

// sayBeginning says from which checkpoint on a chain is there, and by whose leave.
func (m *Main) sayBeginning(b *audit.Beginning) error {
	p := b.Pruning
	_, err := fmt.Fprintf(m.Stdout, "%s begins behind event %d: pruned %s by %s, at the checkpoint of %s (pruning %d)\n",
		cli.Plain(b.Instance), b.Seq, rfc3339(p.IssuedAt), cli.Plain(p.By), rfc3339(p.Until.IssuedAt), p.ID)
	if err == nil && b.Covered > 0 {
		_, err = fmt.Fprintf(m.Stdout, "%s: all that the given checkpoint has seen, up to event %d, is pruned; it says nothing of what is left\n",
			cli.Plain(b.Instance), b.Covered)
	}
	return err
}

func rfc3339(seconds int64) string { return time.Unix(seconds, 0).UTC().Format(time.RFC3339) }
