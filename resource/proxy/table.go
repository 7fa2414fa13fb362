package proxy

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gorilla/mux"

	"github.com/certbound/certbound/resource/decision"
)

// table finds the route of a request. mux matches paths only: its handling of
// methods knows no Allow header, and would let a laxer template answer for a
// method that the most specific one does not list.
type table struct {
	router *mux.Router
	shapes map[*mux.Route]*shape
}

// shape is every route whose templates match the same paths.
type shape struct {
	template template
	byMethod map[string]*route
	allow    string // for the Allow header, sorted
}

// route is a Route ready for use.
type route struct {
	Route
	index int
	base  string // the upstream's escaped base path, without a final slash
}

// newTable compiles the routes and reports everything that is wrong with them.
func newTable(routes []Route) (*table, []*RouteError) {
	var faults []*RouteError
	shapes := map[string]*shape{}
	for i := range routes {
		report := func(field string, err error) { faults = append(faults, &RouteError{i, field, err}) }
		t, err := parseTemplate(routes[i].Path)
		if err != nil {
			report("path", err)
		}
		routes[i].check(report)
		if err == nil {
			s := shapes[t.shape()]
			if s == nil {
				s = &shape{template: t, byMethod: map[string]*route{}}
				shapes[t.shape()] = s
			}
			s.add(&route{Route: routes[i], index: i}, report)
		}
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return build(shapes), nil
}

// add registers a route under each of its methods. A second route for the same
// requests would never be reached, and its author believes that it is.
func (s *shape) add(rt *route, report func(string, error)) {
	for _, method := range rt.Methods {
		first, taken := s.byMethod[method]
		switch {
		case !taken:
			s.byMethod[method] = rt
		case first.index != rt.index: // a method listed twice is reported by check
			report("path", fmt.Errorf("%s %s matches the same requests as routes[%d], %s %s",
				method, rt.Path, first.index, method, first.Path))
		}
	}
}

func build(shapes map[string]*shape) *table {
	t := &table{
		router: mux.NewRouter().SkipClean(true).UseEncodedPath(),
		shapes: make(map[*mux.Route]*shape, len(shapes)),
	}
	sorted := make([]*shape, 0, len(shapes))
	for _, s := range shapes {
		sorted = append(sorted, s)
	}
	slices.SortFunc(sorted, func(a, b *shape) int { return a.template.compare(b.template) })
	for _, s := range sorted {
		s.finish()
		// mux tries in order of registration: the most specific stands first.
		r := t.router.NewRoute().Path(s.template.render(func(i int) string { return "{p" + strconv.Itoa(i) + "}" }))
		t.shapes[r] = s
	}
	return t
}

// finish fills in what is derived from a route that has no faults.
func (s *shape) finish() {
	methods := make([]string, 0, len(s.byMethod))
	for method, rt := range s.byMethod {
		methods = append(methods, method)
		rt.base = strings.TrimSuffix(rt.Upstream.EscapedPath(), "/")
	}
	slices.Sort(methods)
	s.allow = strings.Join(methods, ", ")
}

// find returns the shape that matches a path that passed CheckPath, or nil.
func (t *table) find(r *http.Request) *shape {
	escaped := decision.Path(r.URL)
	if canonical := canonicalPath(escaped); canonical != escaped {
		// Match the one spelling in which literals are kept. The request itself goes
		// on as it came.
		u := *r.URL
		u.RawPath = canonical
		r = &http.Request{Method: r.Method, URL: &u}
	}
	var match mux.RouteMatch
	if !t.router.Match(r, &match) {
		return nil
	}
	return t.shapes[match.Route]
}
