package config

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// checker collects what is wrong with decoded values.
type checker struct {
	source   *Source
	problems Problems
}

func (c *checker) problem(path, format string, args ...any) {
	c.problems = append(c.problems, &Problem{At: c.source.Locate(path), Path: path, Err: fmt.Errorf(format, args...)})
}

func (c *checker) version(v int) {
	switch v {
	case 1:
	case 0:
		c.problem("version", "required: write version: 1")
	default:
		c.problem("version", "%d is not a version this certbound reads; it reads 1", v)
	}
}

func (c *checker) required(path, value string) bool {
	if value == "" {
		c.problem(path, "required")
		return false
	}
	return true
}

func (c *checker) oneOf(path, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		c.problem(path, "%q is not one of %s", value, strings.Join(allowed, ", "))
	}
}

// https wants an issuer identifier, RFC 8414 §2.
func (c *checker) https(path, value string) {
	if !c.required(path, value) {
		return
	}
	u, err := url.Parse(value)
	switch {
	case err == nil && u.User != nil, err != nil && strings.Contains(value, "@"): // it is not to be repeated
		c.problem(path, "holds a user or password; credentials do not belong in an address")
	case err != nil || u.Scheme != "https" || u.Host == "" || strings.ContainsAny(value, "?#"):
		c.problem(path, "%q is not an https URL without user, query and fragment", value)
	}
}

// address wants host:port with a numeric port.
func (c *checker) address(path, value string) {
	if !c.required(path, value) {
		return
	}
	_, port, err := net.SplitHostPort(value)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		c.problem(path, "%q is not host:port", value)
	}
}

func (c *checker) opsAddress(value string) {
	if value != "" {
		c.address("ops.listen", value)
	}
}

func (c *checker) tls(t TLS) {
	c.required("tls.certificate", string(t.Certificate))
	c.required("tls.key", string(t.Key))
	c.oneOf("tls.min_version", t.MinVersion, "1.3", "1.2")
}

// within wants whole seconds from least to most.
func (c *checker) within(path string, d Duration, least, most time.Duration) {
	if span := time.Duration(d); span < least || span > most || span%time.Second != 0 {
		c.problem(path, "%s is outside %s … %s in whole seconds", d, Duration(least), Duration(most))
	}
}

// index names the i-th element of a list.
func index(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }
