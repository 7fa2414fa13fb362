package clause

import (
	"fmt"
	"slices"
	"strings"
)

// Matrix is the table of all clauses, one section for each RFC, in Markdown.
// Links are relative to a directory directly below the module's root.
func Matrix(clauses []Clause, r Report) string {
	var b strings.Builder
	for _, group := range byRFC(clauses) {
		fmt.Fprintf(&b, "\n### %s: %s\n\n| Clause | Level | Binds | What it asks for | Implementation | Tests |\n|---|---|---|---|---|---|\n", name(group[0].RFC), group[0].Title)
		for _, c := range group {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n",
				c.ID, c.Level, strings.Join(c.Binds, ", "), cell(c.Text), places(c.Code), evidence(c, r.Tests[c.ID]))
		}
	}
	return b.String()
}

// Summary is one line for each RFC. Links are relative to the module's root.
func Summary(clauses []Clause, r Report) string {
	var b strings.Builder
	b.WriteString("| RFC | Sections | MUST tested | excepted | SHOULD, MAY tested | Implementation |\n|---|---|---|---|---|---|\n")
	for _, group := range byRFC(clauses) {
		part := Report{Tests: r.Tests}
		var sections, code []string
		for _, c := range group {
			part.count(c)
			sections, code = append(sections, c.Section), append(code, c.Code...)
		}
		slices.Sort(code)
		fmt.Fprintf(&b, "| [%s](docs/conformance.md#%s) | %s | %d of %d | %d | %d of %d | %s |\n", name(group[0].RFC), anchor(group[0]),
			strings.Join(slices.Compact(sections), ", "), part.Tested, part.Must, part.Excepted, part.OthersTested, part.Others, places(slices.Compact(code)))
	}
	fmt.Fprintf(&b, "\n%d of %d MUST clauses have a test, %d an exception with its reason; of %d SHOULD and MAY, %d have a test.\n",
		r.Tested, r.Must, r.Excepted, r.Others, r.OthersTested)
	return b.String()
}

// Exceptions is the list of the clauses that no test covers, with the reasons.
func Exceptions(clauses []Clause) string {
	var b strings.Builder
	b.WriteString("| Clause | Level | What it asks for | Why no test covers it |\n|---|---|---|---|\n")
	for _, c := range clauses {
		if c.Exception != "" {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", c.ID, c.Level, cell(c.Text), cell(c.Exception))
		}
	}
	return b.String()
}

// byRFC groups clauses that stand together in one file; what is no RFC comes last.
func byRFC(clauses []Clause) (groups [][]Clause) {
	for i, c := range clauses {
		if i == 0 || clauses[i-1].RFC != c.RFC {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], c)
	}
	slices.SortStableFunc(groups, func(a, b []Clause) int { return strings.Compare(own(a), own(b)) })
	return groups
}

func own(group []Clause) string {
	if strings.HasPrefix(group[0].RFC, "RFC") {
		return ""
	}
	return group[0].RFC
}

// name is "RFC 8705" for RFC8705.
func name(rfc string) string {
	if number, ok := strings.CutPrefix(rfc, "RFC"); ok {
		return "RFC " + number
	}
	return rfc
}

// anchor is how the heading of [Matrix] is linked to.
func anchor(c Clause) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name(c.RFC) + ": " + c.Title) {
		switch {
		case r == ' ':
			b.WriteByte('-')
		case r == '-' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		}
	}
	return b.String()
}

func places(code []string) string {
	quoted := make([]string, len(code))
	for i, c := range code {
		quoted[i] = "`" + c + "`"
	}
	return strings.Join(quoted, ", ")
}

// evidence is the tests of a clause, each once, or the reason why there is none.
func evidence(c Clause, tests []Test) string {
	var links []string
	for _, t := range tests {
		if link := fmt.Sprintf("[%s](../conformance/%s)", t.Name, t.File); !slices.Contains(links, link) {
			links = append(links, link)
		}
	}
	if len(links) > 0 {
		return strings.Join(links, ", ")
	}
	return "none: " + cell(c.Exception)
}

// cell is text that does not end its table cell.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
