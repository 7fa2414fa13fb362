package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/certbound/certbound/cmd/certbound/internal/adminclient"
	"github.com/certbound/certbound/cmd/certbound/internal/cli"
)

// noun is one kind of record of the admin API, for the verbs that all have.
type noun struct {
	word    string   // as in "certbound partner"
	path    string   // of the list
	plural  string   // the member of a page, with spaces
	id      string   // the member of a record
	columns []column // of the table of a list
	fields  []string // members in the table of one record
	members []member // what can be said by flags
}

// column of a table; the text is what a record has in it.
type column struct {
	title string
	text  func(record map[string]any) string
}

// shown is a column that holds a member.
func shown(title, name string) column {
	return column{title, func(record map[string]any) string { return cellText(record[name]) }}
}

// stateOf is what disabled and its like come to.
func stateOf(record map[string]any) string {
	switch {
	case record["locked_at"] != nil:
		return "locked out"
	case record["disabled"] == true:
		return "disabled"
	case record["partner_disabled"] == true:
		return "partner disabled"
	}
	if set, ok := record["key_set"].(map[string]any); ok && fmt.Sprint(set["failures"]) != "0" && set["failures"] != nil {
		return "enabled, jwks_uri fails"
	}
	return "enabled"
}

// member is a flag that stands for a member of a record.
type member struct {
	flag, name string
	kind       memberKind
	usage      string
}

type memberKind int

const (
	aText  memberKind = iota
	aList             // of texts
	words             // of texts, in one text with spaces between
	aBool             //
	number            //
	aFile             // the content of a file
)

func (n *noun) record(id string) string { return n.path + "/" + url.PathEscape(id) }

// body collects the flags of a record: those that were given, over a file.
type body struct {
	cmd    *cobra.Command
	flags  []member
	file   string
	dryRun bool
}

// add puts the flags on a command.
func (b *body) add(cmd *cobra.Command, flags []member) {
	b.cmd, b.flags = cmd, flags
	f := cmd.Flags()
	f.StringVarP(&b.file, "file", "f", "", "the record, or what is to change of it, in YAML or JSON; - is standard input; flags win")
	fileFlags(cmd, []string{"yaml", "yml", "json"}, "file")
	for _, m := range flags {
		switch m.kind {
		case aList, words:
			f.StringSlice(m.flag, nil, m.usage)
		case aBool:
			f.Bool(m.flag, false, m.usage)
		case number:
			f.Int64(m.flag, 0, m.usage)
		case aFile:
			f.String(m.flag, "", m.usage+" (a file)")
			fileFlags(cmd, []string{"pem", "crt", "cer"}, m.flag)
		default:
			f.String(m.flag, "", m.usage)
		}
	}
	addDryRun(cmd, &b.dryRun)
}

func addDryRun(cmd *cobra.Command, to *bool) {
	cmd.Flags().BoolVar(to, "dry-run", false, "let the server check everything, store nothing, and show what would be")
}

// read returns the members. An empty value takes a member away, as null does in a
// merge patch (RFC 7396).
func (b *body) read() (map[string]any, error) {
	all := map[string]any{}
	if b.file != "" {
		data, err := readPublic(b.file)
		if err != nil {
			return nil, err
		}
		if err := yaml.UnmarshalWithOptions(data, &all, yaml.Strict()); err != nil {
			return nil, fmt.Errorf("%s: %w", b.file, err)
		}
	}
	for _, m := range b.flags {
		if !b.cmd.Flags().Changed(m.flag) {
			continue
		}
		value, err := m.value(b.cmd)
		if err != nil {
			return nil, err
		}
		all[m.name] = value
	}
	return all, nil
}

func (m member) value(cmd *cobra.Command) (any, error) {
	f := cmd.Flags()
	switch m.kind {
	case aBool:
		return f.GetBool(m.flag)
	case number:
		return f.GetInt64(m.flag)
	case aList, words:
		list, err := f.GetStringSlice(m.flag)
		switch {
		case err != nil || len(list) == 0:
			return nil, err
		case m.kind == words:
			return strings.Join(list, " "), nil
		}
		return list, nil
	}
	text, err := f.GetString(m.flag)
	if err != nil || text == "" {
		return nil, err
	}
	if m.kind == aFile {
		data, err := readPublic(text)
		return string(data), err
	}
	return text, nil
}

func (m *Main) listCommand(f *adminFlags, n *noun, filters ...string) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List all " + n.word + "s", Args: cobra.NoArgs}
	values := make([]string, len(filters))
	for i, filter := range filters {
		cmd.Flags().StringVar(&values[i], strings.ReplaceAll(filter, "_", "-"), "", "only those with this "+strings.ReplaceAll(filter, "_", " "))
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return m.withAdmin(f, func(c *adminclient.Client) error {
			query := url.Values{"limit": {"500"}}
			for i, filter := range filters {
				if values[i] != "" {
					query.Set(filter, values[i])
				}
			}
			all, err := pagesOf(cmd.Context(), c, n.path+"?"+query.Encode(), strings.ReplaceAll(n.plural, " ", "_"))
			if err != nil {
				return err
			}
			return m.printList(f, n.columns, all)
		})
	}
	return cmd
}

// pagesOf reads a list to its end.
func pagesOf(ctx context.Context, c *adminclient.Client, path, list string) (all []map[string]any, err error) {
	all = []map[string]any{}
	for path != "" {
		var page map[string][]map[string]any
		if path, err = c.Get(ctx, path, &page); err != nil {
			return nil, err
		}
		items, there := page[list]
		if !there { // an empty table would be a lie
			return nil, fmt.Errorf("the server's answer has no %q: it is of another version", list)
		}
		all = append(all, items...)
	}
	return all, nil
}

func (m *Main) printList(f *adminFlags, columns []column, all []map[string]any) error {
	if f.output.Value == "json" {
		return cli.JSON(m.Stdout, all)
	}
	w := tabwriter.NewWriter(m.Stdout, 0, 0, 2, ' ', 0)
	cells := make([]string, len(columns))
	for i, c := range columns {
		cells[i] = c.title
	}
	fmt.Fprintln(w, strings.Join(cells, "\t"))
	for _, record := range all {
		for i, c := range columns {
			cells[i] = cell(c.text(record))
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	return w.Flush()
}

// cellText writes a member on one line. Of PEM, nobody reads more than that it is
// there.
func cellText(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		if n := strings.Count(v, "-----BEGIN CERTIFICATE"); n > 0 {
			return fmt.Sprintf("%d certificates", n)
		}
		return v
	case float64:
		return fmt.Sprintf("%.0f", v)
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = cellText(v[i])
		}
		return strings.Join(parts, " ")
	case map[string]any:
		if x5t, ok := v["x5t#S256"]; ok {
			return cellText(x5t)
		}
	}
	return fmt.Sprint(value)
}

func (m *Main) showCommand(f *adminFlags, n *noun) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one " + n.word, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return m.call(cmd.Context(), f, adminclient.Call{Method: http.MethodGet, Path: n.record(args[0])}, n.fields)
		},
	}
}

func (m *Main) createCommand(f *adminFlags, n *noun) *cobra.Command {
	var b body
	cmd := &cobra.Command{
		Use: "create [ID]", Short: "Register a " + n.word, Args: cobra.MaximumNArgs(1),
		Long: "create registers a " + n.word + `. Without an ID the server makes one; it never changes.
Everything that is wrong is said at once, and then nothing is stored.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			record, err := b.read()
			if err != nil {
				return err
			}
			if len(args) > 0 {
				record[n.id] = args[0]
			}
			return m.call(cmd.Context(), f, b.post(n.path, record), n.fields)
		},
	}
	b.add(cmd, n.members)
	return cmd
}

// post is a POST that may be sent again.
func (b *body) post(path string, content any) adminclient.Call {
	return adminclient.Call{Method: http.MethodPost, Path: tried(path, b.dryRun), Body: content, IdempotencyKey: rand.Text()}
}

func tried(path string, dryRun bool) string {
	if dryRun {
		return path + "?dry_run=true"
	}
	return path
}

func (m *Main) updateCommand(f *adminFlags, n *noun) *cobra.Command {
	var b body
	var ifMatch string
	cmd := &cobra.Command{
		Use: "update ID", Short: "Change a " + n.word, Args: cobra.ExactArgs(1),
		Long: "update changes what flags and file name, and nothing else; an empty value takes a member\n" +
			"away. With --if-match it fails when the " + n.word + " is not in the state with that ETag any more.",
		RunE: func(cmd *cobra.Command, args []string) error {
			change, err := b.read()
			if err != nil {
				return err
			}
			if len(change) == 0 {
				return errors.New("nothing to change: name it by flags or with -f")
			}
			return m.withAdmin(f, func(c *adminclient.Client) error {
				tag, err := etagOf(cmd.Context(), c, n.record(args[0]), ifMatch)
				if err != nil {
					return err
				}
				return m.show(cmd.Context(), f, c, adminclient.Call{
					Method: http.MethodPatch, Path: tried(n.record(args[0]), b.dryRun), Body: change, IfMatch: tag,
				}, n.fields)
			})
		},
	}
	b.add(cmd, n.members)
	cmd.Flags().StringVar(&ifMatch, "if-match", "", "ETag of the state that is to be changed; the present one when absent")
	return cmd
}

// etagOf is the state that is to be changed: the one the caller has seen, or the
// present one.
func etagOf(ctx context.Context, c *adminclient.Client, path, given string) (string, error) {
	if given != "" {
		return given, nil
	}
	answer, err := c.Do(ctx, adminclient.Call{Method: http.MethodGet, Path: path})
	if err != nil {
		return "", err
	}
	return answer.ETag, nil
}

// verbCommand is a verb on one record that takes a reason.
func (m *Main) verbCommand(f *adminFlags, n *noun, verb, short string, needsReason bool) *cobra.Command {
	var reason string
	var b body
	use := verb + " ID"
	if needsReason {
		use += " --reason TEXT"
	}
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			content := map[string]string{}
			if reason != "" {
				content["reason"] = reason
			}
			return m.call(cmd.Context(), f, b.post(n.record(args[0])+"/"+verb, content), n.fields)
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit event")
	addDryRun(cmd, &b.dryRun)
	if needsReason {
		must(cmd.MarkFlagRequired("reason"))
	}
	return cmd
}

// tryOut has the server check a change and shows what it would be.
func (m *Main) tryOut(ctx context.Context, f *adminFlags, path string, content any) error {
	return m.call(ctx, f, adminclient.Call{Method: http.MethodPost, Path: tried(path, true), Body: content}, nil)
}

// call sends one request and shows the record it answers with.
func (m *Main) call(ctx context.Context, f *adminFlags, call adminclient.Call, fields []string) error {
	return m.withAdmin(f, func(c *adminclient.Client) error { return m.show(ctx, f, c, call, fields) })
}

func (m *Main) show(ctx context.Context, f *adminFlags, c *adminclient.Client, call adminclient.Call, fields []string) error {
	answer, err := c.Do(ctx, call)
	if err != nil {
		return err
	}
	if answer.Status == http.StatusAccepted {
		return m.printProposed(f, answer.Body)
	}
	return m.printAnswer(f, answer.Body, fields)
}

func (m *Main) printAnswer(f *adminFlags, text []byte, fields []string) error {
	if len(text) == 0 {
		return nil
	}
	var record map[string]any
	if err := json.Unmarshal(text, &record); err != nil {
		return err
	}
	m.printWarnings(record)
	if f.output.Value == "json" || record["dry_run"] == true {
		var indented bytes.Buffer
		if err := json.Indent(&indented, bytes.TrimSpace(text), "", "  "); err != nil {
			return err
		}
		_, err := fmt.Fprintln(m.Stdout, cli.PlainJSON(indented.String()))
		return err
	}
	w := tabwriter.NewWriter(m.Stdout, 0, 0, 2, ' ', 0)
	for _, name := range fields {
		if value := cellText(record[name]); value != "" {
			fmt.Fprintf(w, "%s\t%s\n", name, cli.Plain(value))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return m.printDifference(text)
}

// printWarnings tells people what deserves a look; it is no part of the data.
func (m *Main) printWarnings(record map[string]any) {
	if after, ok := record["after"].(map[string]any); ok { // of a dry run
		record = after
	}
	warnings, _ := record["warnings"].([]any)
	for _, one := range warnings {
		if w, ok := one.(map[string]any); ok {
			text := strings.TrimRight(cellText(w["code"])+": "+cellText(w["text"])+" "+cellText(w["owner"]), " ")
			_, _ = fmt.Fprintln(m.Stderr, "warning "+cli.Plain(text)) // nowhere else to say it
		}
	}
}
