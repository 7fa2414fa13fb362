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

// table finds the route of a request: the most specific host first, and among its
// routes the most specific path.
type table struct {
	exact    map[string]*paths // by host name
	wildcard map[string]*paths // by what follows the first label
	anyHost  *paths            // of routes that name no host; may be nil
}

// paths finds the route of a path among those of one host. What is literal from end
// to end is found by a look into a map: nothing that matches the same path is more
// specific. mux matches paths
// only: its handling of methods knows no Allow header, and would let a laxer
// template answer for a method that the most specific one does not list.
type paths struct {
	literal map[string]*shape
	router  *mux.Router
	shapes  map[*mux.Route]*shape
}

// shape is every route of one host whose templates match the same paths.
type shape struct {
	label    string // host and template, for the log
	template template
	byMethod map[string]*route
	allow    string // for the Allow header, sorted
}

// route is a Route ready for use, under one of its hosts.
type route struct {
	Route
	index  int
	label  string // host and template as configured; the name of the route in logs
	target target
}

// draft is a table in the making: shapes by host, then by what they match.
type draft map[host]map[string]*shape

// newTable compiles the routes and reports everything that is wrong with them.
func newTable(routes []Route) (*table, []*RouteError) {
	var faults []*RouteError
	shapes := draft{}
	for i := range routes {
		report := func(field string, err error) { faults = append(faults, &RouteError{i, field, err}) }
		t, err := parseTemplate(routes[i].Path)
		if err != nil {
			report("path", err)
		}
		hosts, hostsFine := parseHosts(routes[i].Hosts, report)
		routes[i].check(report)
		if err == nil && hostsFine {
			shapes.add(hosts, t, routes[i], i, report)
		}
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return shapes.build(), nil
}

// add registers a route under each of its hosts, and says once that it collides.
func (d draft) add(hosts []host, t template, r Route, index int, report func(string, error)) {
	for _, h := range hosts {
		if d[h] == nil {
			d[h] = map[string]*shape{}
		}
		s := d[h][t.shape()]
		if s == nil {
			s = &shape{label: h.String() + t.String(), template: t, byMethod: map[string]*route{}}
			d[h][t.shape()] = s
		}
		if !s.add(&route{Route: r, index: index, label: h.String() + r.Path}, report) {
			return
		}
	}
}

// add registers a route under each of its methods. A second route for the same
// requests would never be reached, and its author believes that it is.
func (s *shape) add(rt *route, report func(string, error)) (fine bool) {
	fine = true
	for _, method := range rt.Methods {
		first, taken := s.byMethod[method]
		switch {
		case !taken:
			s.byMethod[method] = rt
		case first.index != rt.index: // a method listed twice is reported by check
			report("path", fmt.Errorf("%s %s matches the same requests as routes[%d], %s %s",
				method, rt.label, first.index, method, first.label))
			fine = false
		}
	}
	return fine
}

func (d draft) build() *table {
	t := &table{exact: map[string]*paths{}, wildcard: map[string]*paths{}}
	for h, shapes := range d {
		switch p := newPaths(shapes); {
		case h.name == "":
			t.anyHost = p
		case h.wildcard:
			t.wildcard[h.name] = p
		default:
			t.exact[h.name] = p
		}
	}
	return t
}

func newPaths(shapes map[string]*shape) *paths {
	p := &paths{
		literal: map[string]*shape{},
		router:  mux.NewRouter().SkipClean(true).UseEncodedPath(),
		shapes:  make(map[*mux.Route]*shape, len(shapes)),
	}
	sorted := make([]*shape, 0, len(shapes))
	for _, s := range shapes {
		sorted = append(sorted, s)
	}
	slices.SortFunc(sorted, func(a, b *shape) int { return a.template.compare(b.template) })
	for _, s := range sorted {
		s.finish()
		if s.template.literal() {
			p.literal[s.template.String()] = s
			continue
		}
		// mux tries in order of registration: the most specific stands first.
		r := p.router.NewRoute().Path(s.template.render(func(i int) string { return "{p" + strconv.Itoa(i) + "}" }))
		p.shapes[r] = s
	}
	return p
}

// finish fills in what is derived from a route that has no faults.
func (s *shape) finish() {
	methods := make([]string, 0, len(s.byMethod))
	for method, rt := range s.byMethod {
		methods = append(methods, method)
		rt.target = targetOf(rt.Upstream)
	}
	slices.Sort(methods)
	s.allow = strings.Join(methods, ", ")
}

// namesHosts reports whether Host decides anything.
func (t *table) namesHosts() bool { return len(t.exact) > 0 || len(t.wildcard) > 0 }

// find returns the shape that matches a request whose path passed CheckPath, or
// nil. A host wins before a path does: a template of the request's own host goes
// before a literal of any host.
func (t *table) find(r *http.Request) *shape {
	r = canonicalRequest(r)
	if t.namesHosts() {
		name := requestHost(r)
		if s := t.exact[name].find(r); s != nil {
			return s
		}
		if label, parent, ok := strings.Cut(name, "."); ok && checkLabel(label) == nil {
			if s := t.wildcard[parent].find(r); s != nil {
				return s
			}
		}
	}
	return t.anyHost.find(r)
}

// canonicalRequest is r in the one spelling in which literals are kept, for
// matching only. The request itself goes on as it came.
func canonicalRequest(r *http.Request) *http.Request {
	escaped := decision.Path(r.URL)
	canonical := canonicalPath(escaped)
	if canonical == escaped {
		return r
	}
	u := *r.URL
	u.RawPath = canonical
	return &http.Request{Method: r.Method, URL: &u, Host: r.Host}
}

func (p *paths) find(r *http.Request) *shape {
	if p == nil {
		return nil
	}
	if s := p.literal[decision.Path(r.URL)]; s != nil {
		return s
	}
	var match mux.RouteMatch
	if !p.router.Match(r, &match) {
		return nil
	}
	return p.shapes[match.Route]
}
