package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/authz/admin"
	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/cmd/certbound/internal/adminclient"
	"github.com/certbound/certbound/cmd/certbound/internal/cli"
	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/cmd/certbound/internal/process"
)

// errAuditBroken ends a verification that found something.
var errAuditBroken = errors.New("audit verify: the audit trail does not hold")

func (m *Main) auditVerifyCommand() *cobra.Command {
	var file, checkpoint string
	output := cli.OneOf{Value: "table", Allowed: []string{"table", "json"}}
	cmd := &cobra.Command{
		Use:   "verify --config FILE [--checkpoint FILE]",
		Short: "Follow the hash chains of the audit trail",
		Long: `verify follows every chain of the database that a serve configuration names, and
exits with 3 when an event was deleted, changed, moved or inserted. It may run
beside the server. Without a checkpoint that was kept elsewhere, a tail that was
cut with its head cannot be seen: the trail is then called consistent, not complete.
Of a trail that was pruned it says behind which checkpoint it begins, when that was
and who did it; events that are missing without a signed pruning are a fault.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return m.withAuditTrail(cmd.Context(), file, func(trail *process.AuditTrail) error {
				return m.auditVerify(cmd.Context(), trail, checkpoint, output.Value == "json")
			})
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&checkpoint, "checkpoint", "", "file with a checkpoint that was kept")
	outputFlag(cmd, &output)
	return cmd
}

func (m *Main) auditCheckpointCommand() *cobra.Command {
	var f adminFlags
	var file string
	var b body
	cmd := &cobra.Command{
		Use:   "checkpoint",
		Short: "Print a signed statement of where every chain is, to be kept elsewhere",
		Long: `checkpoint asks the admin API, which also keeps the statement and records who asked.
With --config it reads the database itself and keeps nothing: for where the server
does not run. Store what it prints where nobody who can write to the database
reaches it: "audit verify --checkpoint" then finds a tail that was cut.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return m.withAdmin(&f, func(c *adminclient.Client) error { return m.askCheckpoint(cmd.Context(), &f, &b, c) })
			}
			return m.withAuditTrail(cmd.Context(), file, func(trail *process.AuditTrail) error {
				checkpoint, err := trail.Checkpoint(cmd.Context())
				if err != nil {
					return err
				}
				_, err = fmt.Fprintln(m.Stdout, checkpoint)
				return err
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&file, "config", "", "configuration of serve, to read its database instead")
	addDryRun(cmd, &b.dryRun)
	cmd.MarkFlagsMutuallyExclusive("config", "dry-run")
	return cmd
}

// askCheckpoint has the server sign and keep one.
func (m *Main) askCheckpoint(ctx context.Context, f *adminFlags, b *body, c *adminclient.Client) error {
	answer, err := c.Do(ctx, b.post("/admin/v1/audit-checkpoints", nil))
	if err != nil {
		return err
	}
	if b.dryRun || f.output.Value == "json" {
		return m.printAnswer(f, answer.Body, nil)
	}
	var signed admin.CheckpointView
	if err := json.Unmarshal(answer.Body, &signed); err != nil {
		return err
	}
	_, err = fmt.Fprintln(m.Stdout, signed.Checkpoint)
	return err
}

// withAuditTrail opens the trail that a serve configuration names.
func (m *Main) withAuditTrail(ctx context.Context, file string, fn func(*process.AuditTrail) error) (err error) {
	c, _, err := config.LoadServe(file, m.Environ)
	if err != nil {
		return err
	}
	trail, err := process.OpenAuditTrail(ctx, c, process.Options{Logger: m.logger()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, trail.Close()) }()
	return fn(trail)
}

func (m *Main) auditVerify(ctx context.Context, trail *process.AuditTrail, checkpoint string, asJSON bool) error {
	text := ""
	if checkpoint != "" {
		data, err := os.ReadFile(checkpoint)
		if err != nil {
			return fmt.Errorf("audit verify: %w", err)
		}
		text = string(data)
	}
	report, err := trail.Verify(ctx, text)
	if err != nil {
		return err
	}
	say := m.sayVerified
	if asJSON {
		say = m.printVerified
	}
	if err := say(report, checkpoint != ""); err != nil {
		return err
	}
	if len(report.Faults) > 0 {
		return cli.Exit(cli.Failed, errAuditBroken)
	}
	return nil
}

func (m *Main) sayVerified(report *audit.Report, kept bool) error {
	for _, fault := range report.Faults {
		m.say("%s", fault)
	}
	if len(report.Faults) > 0 {
		return nil
	}
	for i := range report.Pruned {
		if err := m.sayBeginning(&report.Pruned[i]); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(m.Stdout, "%d events in %d streams: %s\n", report.Events, report.Streams, verdict(report, kept))
	return err
}

// auditReport is what a verification found, for programs.
type auditReport struct {
	Holds      bool          `json:"holds"`
	Verdict    string        `json:"verdict,omitempty"` // when it holds
	Checkpoint bool          `json:"checkpoint"`        // one that was kept elsewhere was given
	Events     int64         `json:"events"`
	Streams    int           `json:"streams"`
	Pruned     []prunedChain `json:"pruned"`
	Faults     []string      `json:"faults"`
}

// prunedChain is where a chain begins, and on whose word.
type prunedChain struct {
	Instance string `json:"instance"`
	Through  int64  `json:"through"` // the last event that was given up
	By       string `json:"by"`
	At       string `json:"at"`
	Covered  int64  `json:"covered,omitempty"` // see audit.Beginning
}

func (m *Main) printVerified(report *audit.Report, kept bool) error {
	out := auditReport{
		Holds: len(report.Faults) == 0, Checkpoint: kept, Events: report.Events, Streams: report.Streams,
		Pruned: []prunedChain{}, Faults: []string{},
	}
	if out.Holds {
		out.Verdict = verdict(report, kept)
	}
	for _, b := range report.Pruned {
		if b.Pruning == nil { // a fault says so
			continue
		}
		out.Pruned = append(out.Pruned, prunedChain{b.Instance, b.Seq, b.Pruning.By, rfc3339(b.Pruning.IssuedAt), b.Covered})
	}
	for _, fault := range report.Faults {
		out.Faults = append(out.Faults, fault.String())
	}
	return cli.JSON(m.Stdout, out)
}
