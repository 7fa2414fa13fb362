package config

// Policy is a file of cases for `certbound policy test`: requests, and what a
// proxy's configuration has to say of them.
type Policy struct {
	// Version of this file's shape. Required, always 1.
	Version int `yaml:"version" env:"-"`
	// Config is the proxy's configuration file. Required, unless the command names
	// one.
	Config Path `yaml:"config" env:"-"`
	// Cases to be tried. Required.
	Cases []PolicyCase `yaml:"cases" env:"-"`

	Source *Source `yaml:"-" env:"-"` // where the cases were read
}

// PolicyCase is one request.
type PolicyCase struct {
	// Name says what the case is about. Required.
	Name string `yaml:"name"`
	// Method of the request. Default GET.
	Method string `yaml:"method"`
	// Host of the request. Default localhost.
	Host string `yaml:"host"`
	// Path of the request, as a caller would write it, with a query if need be.
	// Required.
	Path string `yaml:"path"`
	// Token that the request carries.
	Token PolicyToken `yaml:"token"`
	// WithoutToken sends none. Default false.
	WithoutToken bool `yaml:"without_token"`
	// Certificate of the connection: own, that of the token's client; other, anybody
	// else's; or none. Default own.
	Certificate string `yaml:"certificate"`
	// Expect is allow or refuse. Required.
	Expect string `yaml:"expect"`
	// Reason why it is refused. Default: any.
	Reason string `yaml:"reason"`
	// Route that must decide, as logs write it: host, if it has one, and path. Default:
	// any.
	Route string `yaml:"route"`
	// Upstream that must be asked, as the route writes it. Default: any.
	Upstream string `yaml:"upstream"`
}

// PolicyToken is what a token says.
type PolicyToken struct {
	// Client is client_id. Default policy-test.
	Client string `yaml:"client"`
	// Partner of the client. Default: none.
	Partner string `yaml:"partner"`
	// Scopes it grants. Default: none.
	Scopes []string `yaml:"scopes"`
	// Unbound makes it a token without cnf, bound to no certificate. Default false.
	Unbound bool `yaml:"unbound"`
}

// LoadPolicy reads a file of cases. The error is [Problems] when the file could be
// read.
func LoadPolicy(file string) (*Policy, error) {
	p := &Policy{}
	_, err := load(file, nil, p, &p.Source, p.validate)
	return p, err
}

func (p *Policy) validate(c *checker) {
	c.version(p.Version)
	if len(p.Cases) == 0 {
		c.problem("cases", "required: a file without a case shows nothing")
	}
	for i := range p.Cases {
		k, at := &p.Cases[i], index("cases", i)
		c.required(at+".name", k.Name)
		c.required(at+".path", k.Path)
		if c.required(at+".expect", k.Expect) {
			c.oneOf(at+".expect", k.Expect, "allow", "refuse")
		}
		if k.Certificate != "" {
			c.oneOf(at+".certificate", k.Certificate, "own", "other", "none")
		}
		if k.Expect == "allow" && k.Reason != "" {
			c.problem(at+".reason", "what is allowed has no reason")
		}
		if k.Expect == "refuse" && k.Upstream != "" {
			c.problem(at+".upstream", "what is refused reaches no upstream")
		}
	}
}
