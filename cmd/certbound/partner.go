package main

import "github.com/spf13/cobra"

var partners = &noun{
	word: "partner", path: "/admin/v1/partners", plural: "partners", id: "id",
	columns: []column{shown("PARTNER", "id"), {"STATE", stateOf}, shown("NAME", "name")},
	fields:  []string{"id", "name", "disabled", "locked_at", "lock_reason", "version", "created_at", "updated_at"},
	members: []member{
		{"name", "name", aText, "name, for people"},
		{"disabled", "disabled", aBool, "no client of the partner is served"},
	},
}

func (m *Main) partnerCommand() *cobra.Command {
	var f adminFlags
	cmd := group(&cobra.Command{Use: "partner", Short: "Partners, through the admin API"},
		m.listCommand(&f, partners), m.showCommand(&f, partners), m.createCommand(&f, partners), m.updateCommand(&f, partners),
		m.verbCommand(&f, partners, "lockout", "Lock a partner out: all its clients are refused and their tokens die everywhere within a second", true),
		m.verbCommand(&f, partners, "restore", "End a lockout: each client is again what it was; it has to get new tokens", false),
	)
	f.add(cmd)
	return cmd
}
