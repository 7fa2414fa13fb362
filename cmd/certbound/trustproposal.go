package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/cmd/certbound/internal/adminclient"
	"github.com/certbound/certbound/cmd/certbound/internal/cli"
)

var proposals = &noun{
	word: "proposal", path: "/admin/v1/trust-proposals", plural: "trust proposals", id: "id",
	columns: []column{
		shown("PROPOSAL", "id"), shown("BUNDLE", "trust_bundle"), shown("ACTION", "action"), {"STATUS", proposalState},
		shown("BY", "proposed_by"), shown("EXPIRES", "expires_at"), shown("DECIDED BY", "decided_by"),
	},
	fields: []string{
		"id", "trust_bundle", "action", "status", "outdated", "base_version", "content_hash", "reason", "proposed_by", "created_at",
		"expires_at", "decided_by", "decided_at", "decision_reason", "version", "clients_ended",
	},
}

func proposalState(record map[string]any) string {
	if record["outdated"] == true {
		return "outdated"
	}
	return cellText(record["status"])
}

func (m *Main) proposalsCommand(f *adminFlags) *cobra.Command {
	cmd := m.listCommand(f, proposals, "status", "trust_bundle")
	cmd.Use, cmd.Short = "proposals", "List the changes of trust bundles that wait for a second administrator, or have"
	return cmd
}

func (m *Main) proposalCommand(f *adminFlags) *cobra.Command {
	cmd := m.showCommand(f, proposals)
	cmd.Use, cmd.Short = "proposal ID", "Show what a proposed change of a trust bundle adds and takes away; -o json has the certificates"
	return cmd
}

// decideCommand is a decision on a proposal.
func (m *Main) decideCommand(f *adminFlags, verb, short string) *cobra.Command {
	return m.verbCommand(f, proposals, verb, short, false)
}

// withdrawCommand is what the API knows as the proposer's own rejection. It asks first
// whose the proposal is: another's is not withdrawn.
func (m *Main) withdrawCommand(f *adminFlags) *cobra.Command {
	var reason string
	var b body
	cmd := &cobra.Command{
		Use: "withdraw ID", Short: "End a proposal of one's own", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return m.withAdmin(f, func(c *adminclient.Client) error {
				var proposal struct {
					ProposedBy string `json:"proposed_by"`
				}
				if _, err := c.Get(cmd.Context(), proposals.record(args[0]), &proposal); err != nil {
					return err
				}
				if proposal.ProposedBy != f.clientID {
					return fmt.Errorf("it was proposed by %s; see: certbound trust reject", cli.Plain(proposal.ProposedBy))
				}
				content := map[string]string{}
				if reason != "" {
					content["reason"] = reason
				}
				return m.show(cmd.Context(), f, c, b.post(proposals.record(args[0])+"/reject", content), proposals.fields)
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit event")
	addDryRun(cmd, &b.dryRun)
	return cmd
}

// printProposed says of a change that it is not made yet.
func (m *Main) printProposed(f *adminFlags, text []byte) error {
	var proposal struct{ ID string }
	if err := json.Unmarshal(text, &proposal); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(m.Stderr, "not in force yet: another administrator has to approve it, by: certbound trust approve %s\n", cli.Plain(proposal.ID)) // nowhere else to say it
	return m.printAnswer(f, text, proposals.fields)
}

// printDifference shows what a proposal adds to a trust bundle and takes from it, by
// what the certificates say and their fingerprints.
func (m *Main) printDifference(text []byte) error {
	type authority struct {
		As, Subject, Issuer, Serial, SHA256 string
		NotAfter                            string `json:"not_after"`
	}
	var proposal struct {
		Difference *struct {
			Added, Removed []authority
			Settings       []struct{ Setting, Before, After string }
		}
	}
	if err := json.Unmarshal(text, &proposal); err != nil || proposal.Difference == nil {
		return err
	}
	d := proposal.Difference
	lines := []string{"", "what it changes of what was in force:"}
	for _, part := range []struct {
		sign string
		all  []authority
	}{{"+", d.Added}, {"-", d.Removed}} {
		for _, a := range part.all {
			lines = append(lines,
				fmt.Sprintf("%s %s %s", part.sign, cli.Plain(a.As), cli.Plain(a.Subject)),
				"    sha256  "+cli.Plain(a.SHA256),
				"    until   "+cli.Plain(a.NotAfter),
				"    issuer  "+cli.Plain(a.Issuer),
				"    serial  "+cli.Plain(a.Serial))
		}
	}
	for _, s := range d.Settings {
		lines = append(lines, fmt.Sprintf("~ %s: %s -> %s", cli.Plain(s.Setting), cli.Plain(s.Before), cli.Plain(s.After)))
	}
	if len(lines) == 2 {
		lines = append(lines, "  nothing but the text of the PEM, or the order")
	}
	_, err := fmt.Fprintln(m.Stdout, strings.Join(lines, "\n"))
	return err
}
