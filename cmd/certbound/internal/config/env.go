package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"
)

// EnvPrefix begins the name of every environment variable that overrides a
// setting. What is secret is only ever named by file: those end in _FILE.
const EnvPrefix = "CERTBOUND_"

// variable ties an environment variable to the setting it overrides.
type variable struct{ name, path, field string }

// overlay writes the CERTBOUND_… variables of environ over into and moves the
// positions of what they set; an empty variable counts as none. It returns the names of CERTBOUND_… variables
// that set nothing: in Kubernetes a service called certbound brings such
// variables, so they are worth a warning and no more.
func overlay(into any, source *Source, environ []string) (unused []string, problems Problems) {
	environment := map[string]string{}
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok && value != "" && strings.HasPrefix(name, EnvPrefix) {
			environment[name] = value
		}
	}
	err := env.ParseWithOptions(into, env.Options{Environment: environment, Prefix: EnvPrefix})
	known := variables(reflect.ValueOf(into).Elem(), EnvPrefix, "")
	for _, v := range known {
		if _, set := environment[v.name]; set {
			source.at[v.path] = Position{File: v.name}
			delete(environment, v.name)
			problems = append(problems, parseProblem(err, v)...)
		}
	}
	if err != nil && len(problems) == 0 { // never start with a setting that was not understood
		problems = append(problems, &Problem{At: Position{File: "environment"}, Err: err})
	}
	for name := range environment {
		unused = append(unused, name)
	}
	slices.Sort(unused)
	return unused, problems
}

// parseProblem finds what env said of one variable. env names the Go field.
func parseProblem(err error, v variable) (out Problems) {
	var all env.AggregateError
	if !errors.As(err, &all) {
		return nil
	}
	for _, one := range all.Errors {
		var parse env.ParseError
		if errors.As(one, &parse) && parse.Name == v.field {
			out = append(out, &Problem{At: Position{File: v.name}, Path: v.path, Err: parse.Err})
		}
	}
	return out
}

// variables lists the environment variables of v's settings. Elements of lists
// are numbered: CERTBOUND_KEYS_KEKS_0_FILE.
func variables(v reflect.Value, prefix, path string) (out []variable) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name := field.Tag.Get("yaml")
		if name == "" || name == "-" || field.Tag.Get("env") == "-" {
			continue
		}
		child, nested := join(path, name), prefix+field.Tag.Get("envPrefix")
		switch {
		case field.Tag.Get("env") != "":
			out = append(out, variable{prefix + field.Tag.Get("env"), child, field.Name})
		case field.Type.Kind() == reflect.Struct:
			out = append(out, variables(v.Field(i), nested, child)...)
		case field.Type.Kind() == reflect.Slice:
			for j := range v.Field(i).Len() {
				out = append(out, variables(v.Field(i).Index(j), fmt.Sprintf("%s%d_", nested, j), fmt.Sprintf("%s[%d]", child, j))...)
			}
		}
	}
	return out
}
