package foreign

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/certbound/certbound/keys/keystest"
)

var update = flag.Bool("update", false, "write the tables of docs/interop.md as they were seen")

const pagePath = "../../docs/interop.md"

// page is docs/interop.md. Its tables stand between <!-- NAME --> and
// <!-- end NAME -->.
type page struct {
	text   string
	tables []*table
}

// table is one table of the page and what was seen instead.
type table struct {
	name    string
	heading string              // the first two lines
	rows    map[string][]string // by the first cell: version, then what was seen
	order   []string
	seen    map[string]sighting
}

// sighting is a row as it was seen. A version that the machine chooses is not
// compared: another machine has another.
type sighting struct {
	cells  []string
	pinned bool
}

func readPage(t *testing.T) *page {
	t.Helper()
	content, err := os.ReadFile(pagePath)
	if err != nil {
		t.Fatal(err)
	}
	return &page{text: string(content)}
}

func (p *page) table(t *testing.T, name string) *table {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(p.between(t, name)), "\n")
	if len(lines) < 2 {
		t.Fatalf("%s: the table %s has no heading", pagePath, name)
	}
	tab := &table{name: name, heading: lines[0] + "\n" + lines[1] + "\n", rows: map[string][]string{}, seen: map[string]sighting{}}
	for _, line := range lines[2:] {
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		tab.order = append(tab.order, cells[0])
		tab.rows[cells[0]] = cells[1:]
	}
	p.tables = append(p.tables, tab)
	return tab
}

func (p *page) between(t *testing.T, name string) string {
	t.Helper()
	_, after, ok := strings.Cut(p.text, "<!-- "+name+" -->\n")
	inside, _, ended := strings.Cut(after, "<!-- end "+name+" -->")
	if !ok || !ended {
		t.Fatalf("%s has no table %s", pagePath, name)
	}
	return inside
}

// saw records a row.
func (tab *table) saw(peer, version string, pinned bool, cells ...string) {
	all := append([]string{version}, cells...)
	for i := range all {
		all[i] = strings.ReplaceAll(all[i], "|", "/")
	}
	tab.seen[peer] = sighting{all, pinned}
	if !slices.Contains(tab.order, peer) {
		tab.order = append(tab.order, peer)
	}
}

// compare holds the page to what was seen. Peers that did not run are left as the
// page has them.
func (p *page) compare(t *testing.T) {
	t.Helper()
	if *update {
		p.write(t)
		return
	}
	whole := keystest.Strict() && flag.Lookup("test.run").Value.String() == ""
	for _, tab := range p.tables {
		for _, peer := range tab.order {
			if _, ok := tab.seen[peer]; whole && !ok {
				t.Errorf("%s, %s: nothing was seen of %s", pagePath, tab.name, peer)
			}
		}
		for peer, s := range tab.seen {
			stands := slices.Clone(tab.rows[peer])
			if len(stands) > 0 && !s.pinned {
				stands[0] = s.cells[0]
			}
			if !slices.Equal(stands, s.cells) {
				t.Errorf("%s, %s, %s:\nstands %q\nseen   %q\n(go test ./conformance/foreign -update writes it)", pagePath, tab.name, peer, tab.rows[peer], s.cells)
			}
		}
	}
}

func (p *page) write(t *testing.T) {
	t.Helper()
	for _, tab := range p.tables {
		var text strings.Builder
		text.WriteString(tab.heading)
		for _, peer := range tab.order {
			cells := tab.rows[peer]
			if s, ok := tab.seen[peer]; ok {
				cells = s.cells
			}
			fmt.Fprintf(&text, "| %s | %s |\n", peer, strings.Join(cells, " | "))
		}
		p.text = strings.Replace(p.text, p.between(t, tab.name), text.String(), 1)
	}
	writeFile(t, pagePath, []byte(p.text))
}
