package registration

import (
	"errors"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/certbound/certbound/storage"
)

// Set is a set of records as an administrator writes them.
type Set struct {
	Partners     []Partner     `yaml:"partners" json:"partners,omitempty"`
	TrustBundles []TrustBundle `yaml:"trust_bundles" json:"trust_bundles,omitempty"`
	APIs         []API         `yaml:"apis" json:"apis,omitempty"`
	Clients      []Client      `yaml:"clients" json:"clients,omitempty"`

	// BundlesAgreed keeps [Set.Apply] from changing trust bundles where there are
	// administrators, two of whom have to agree.
	BundlesAgreed bool `yaml:"-" json:"-"`

	positions positions
}

// Decode reads a registration written in YAML or JSON. Unknown and repeated
// members are errors. The error is [Problems], and so is what [Set.Check]
// and [Set.Apply] say later of its records: with line and column.
func Decode(data []byte) (*Set, error) {
	tree, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, decodeProblem(err)
	}
	bodies := documents(tree)
	if len(bodies) > 1 {
		at := positions{}
		at.note("", first(bodies[1]))
		return nil, Problems{{Line: at[""].line, Column: at[""].column, Err: errors.New("a second YAML document; a registration is one")}}
	}
	var r Set
	if err := yaml.UnmarshalWithOptions(data, &r, yaml.Strict()); err != nil {
		return nil, decodeProblem(err)
	}
	if len(bodies) == 1 {
		r.positions = readPositions(bodies[0])
	}
	return &r, nil
}

func documents(tree *ast.File) (bodies []ast.Node) {
	for _, document := range tree.Docs {
		if document.Body != nil {
			bodies = append(bodies, document.Body)
		}
	}
	return bodies
}

// CheckShape checks what can be said of the registration alone, on any day.
func (r *Set) CheckShape() error {
	_, problems := r.check(time.Time{})
	return problems.orNil()
}

// Check checks the registration the way a store does that knows none of it yet:
// what has expired by now is a problem too.
func (r *Set) Check(now time.Time) error {
	checked, problems := r.check(now)
	return append(problems, checked.judge(accepted{}, now)...).orNil()
}

// records is a checked registration, ready for the store. Each list runs
// parallel to that of the registration.
type records struct {
	of       *Set
	partners []storage.Partner
	bundles  []BundleRecord
	apis     []storage.API
	clients  []ClientRecord
}

func (r *Set) check(now time.Time) (*records, Problems) {
	out := &records{of: r}
	var problems Problems
	report := func(list string, i int, id string, all Faults) {
		for _, f := range all {
			problems = append(problems, r.problem(list, i, id, f.Member, f.Err))
		}
	}
	first := firsts{}
	for i, body := range r.Partners {
		record, all := body.Record(now)
		all.Add("id", first.repeats("partner", body.ID, "partners", i))
		out.partners = append(out.partners, record)
		report("partners", i, body.ID, all)
	}
	for i, body := range r.TrustBundles {
		record, all := body.Record(now)
		all.Add("name", first.repeats("bundle", body.Name, "trust_bundles", i))
		out.bundles = append(out.bundles, record)
		report("trust_bundles", i, body.Name, all)
	}
	for i, body := range r.APIs {
		record, all := body.Record(now)
		all = append(all, first.ofAPI(record, i)...)
		out.apis = append(out.apis, record)
		report("apis", i, body.ID, all)
	}
	for i, body := range r.Clients {
		record, all := body.Record(now)
		all = append(append(all, body.reserved()...), first.ofClient(record, i)...)
		out.clients = append(out.clients, record)
		report("clients", i, body.ClientID, all)
	}
	return out, problems
}
