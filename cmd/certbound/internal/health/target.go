package health

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/cmd/certbound/internal/config"
)

// target is whom to ask, and how the answer is to be understood.
type target struct {
	process   config.Process
	listener  string
	url       string
	addresses []string    // to be tried in this order
	tls       *tls.Config // nil: plain HTTP
	pin       *pin        // nil: plain HTTP
	judge     func(report *Report, body []byte)
}

// settings are what is read of a configuration.
type settings struct {
	process     config.Process
	listen, ops string
	certificate config.Path
	path        string // of a page of the public listener that anybody may read
	expect      func(report *Report, body []byte)
	source      *config.Source
	version     int
	identifier  string // the setting that the path follows from
}

// find reads where the process listens. A running process outlives a mistake in its
// file (docs/reload.md), so only what is wrong with the settings that say where to
// ask is an error; outdated tells of the rest.
func find(c Config) (t *target, outdated bool, err error) {
	s, loadErr := read(c)
	if s == nil {
		return nil, false, loadErr
	}
	needed := []string{"ops.listen"}
	if s.ops == "" {
		needed = append(needed, "listen", "tls.certificate", s.identifier)
	}
	if s.version == 0 || concerns(loadErr, needed) {
		return nil, false, loadErr
	}
	if s.ops != "" {
		t, err = s.atOps(c.Probe)
	} else {
		t, err = s.atPublic(c.Probe)
	}
	return t, loadErr != nil, err
}

// read returns nil settings when there is no such file.
func read(c Config) (*settings, error) {
	which, err := config.Detect(c.File)
	if err != nil {
		return nil, err
	}
	if which == config.ProxyProcess {
		p, _, err := config.LoadProxy(c.File, c.Environ)
		return &settings{
			process: which, listen: p.Listen, ops: p.Ops.Listen, certificate: p.TLS.Certificate,
			path: metadataPath(p.Audience), expect: answered, source: p.Source, version: p.Version, identifier: "audience",
		}, err
	}
	s, _, err := config.LoadServe(c.File, c.Environ)
	return &settings{
		process: which, listen: s.Listen, ops: s.Ops.Listen, certificate: s.TLS.Certificate,
		path: below(s.Issuer) + oauth.PathJWKS, expect: served, source: s.Source, version: s.Version, identifier: "issuer",
	}, err
}

// concerns reports whether an error of a configuration is about one of the settings.
func concerns(err error, needed []string) bool {
	var problems config.Problems
	if !errors.As(err, &problems) {
		return err != nil
	}
	for _, p := range problems {
		for _, setting := range needed {
			if p.Path == setting || p.Path != "" && strings.HasPrefix(setting, p.Path+".") {
				return true
			}
		}
	}
	return false
}

// below is the path of an identifier, without a slash at its end.
func below(identifier string) string {
	u, err := url.Parse(identifier)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(u.EscapedPath(), "/")
}

// metadataPath is where a proxy has its metadata (RFC 9728 §3.1). One that has none
// answers there too: that it knows no such route.
func metadataPath(audience string) string {
	const wellKnown = "/.well-known/oauth-protected-resource"
	if u, err := url.Parse(audience); err != nil || u.Scheme != "https" {
		return wellKnown
	}
	return wellKnown + below(audience)
}

// atOps asks the listener that is there for it.
func (s *settings) atOps(probe Probe) (*target, error) {
	addresses, err := reachable(s.ops)
	if err != nil {
		return nil, s.source.Problem("ops.listen", err)
	}
	if strings.HasPrefix(s.ops, ":") {
		addresses = addresses[:1] // ops.Address: it is not every address there
	}
	path, judge := "/readyz?verbose", listed
	if probe == Live {
		path = "/livez"
	}
	return &target{process: s.process, listener: "ops", url: "http://" + addresses[0] + path, addresses: addresses, judge: judge}, nil
}

// atPublic asks for what everybody may read.
func (s *settings) atPublic(probe Probe) (*target, error) {
	addresses, err := reachable(s.listen)
	if err != nil {
		return nil, s.source.Problem("listen", err)
	}
	own, err := certificate(s.certificate)
	if err != nil {
		return nil, s.source.Problem("tls.certificate", err)
	}
	_, port, _ := net.SplitHostPort(addresses[0]) // reachable made it
	name := nameOf(own)
	believed := &pin{own, string(s.certificate)}
	t := &target{
		process: s.process, listener: "authz", url: "https://" + net.JoinHostPort(name, port) + s.path,
		addresses: addresses, tls: believed.config(name), pin: believed, judge: s.expect,
	}
	if s.process == config.ProxyProcess {
		t.listener = "proxy"
	}
	if probe == Live {
		t.judge = func(report *Report, _ []byte) { report.Healthy = true } // it has answered
	}
	return t, nil
}

// reachable returns how a process on this machine reaches a listener: as it is
// written, or by loopback when it takes every address.
func reachable(listen string) ([]string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, err
	}
	if number, err := strconv.Atoi(port); err == nil && number == 0 {
		return nil, fmt.Errorf("%q is any free port, so nobody can know where to ask", listen)
	}
	const four, six = "127.0.0.1", "::1"
	hosts := []string{host}
	switch ip, err := netip.ParseAddr(host); {
	case host == "":
		hosts = []string{four, six}
	case err == nil && ip.Is4() && ip.IsUnspecified():
		hosts = []string{four}
	case err == nil && ip.Unmap().IsUnspecified(): // takes IPv4 as well, and where there is no IPv6, only that
		hosts = []string{six, four}
	}
	for i := range hosts {
		hosts[i] = net.JoinHostPort(hosts[i], port)
	}
	return hosts, nil
}

// dial connects to the first address that answers.
func (t *target) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	var errs []error
	for _, address := range t.addresses {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
	}
	return nil, errs[0] // of the address that was most likely meant
}
