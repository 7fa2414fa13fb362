package config

import (
	"errors"
	"reflect"
)

// errRestart is what is wrong with a change that a running process cannot make.
// Settings that are tagged `reload:"restart"` are of that kind; all others take
// effect by a reload.
var errRestart = errors.New("a running process cannot change this: restart it; until then nothing of the new configuration is in force")

// Changes returns the settings in which next differs from s, in the order of
// their declaration. The error names each of them that needs a restart, at its
// place in next.
func (s *Serve) Changes(next *Serve) (settings []string, err error) {
	return changes(s, next, next.Source)
}

// Changes is [Serve.Changes] of a proxy.
func (p *Proxy) Changes(next *Proxy) (settings []string, err error) {
	return changes(p, next, next.Source)
}

func changes(old, next any, source *Source) (settings []string, err error) {
	var problems Problems
	differ(reflect.ValueOf(old).Elem(), reflect.ValueOf(next).Elem(), "", false, func(path string, restart bool) {
		settings = append(settings, path)
		if restart {
			problems = append(problems, &Problem{At: source.Locate(path), Path: path, Err: errRestart})
		}
	})
	return settings, problems.orNil()
}

// differ visits the settings that differ. A list is one setting: what stands at
// an index says little once something was put in front of it.
func differ(old, next reflect.Value, path string, restart bool, visit func(path string, restart bool)) {
	for i := range old.NumField() {
		field := old.Type().Field(i)
		name := field.Tag.Get("yaml")
		if name == "" || name == "-" {
			continue
		}
		child, needs := join(path, name), restart || field.Tag.Get("reload") == "restart"
		switch {
		case field.Type.Kind() == reflect.Struct:
			differ(old.Field(i), next.Field(i), child, needs, visit)
		case !reflect.DeepEqual(old.Field(i).Interface(), next.Field(i).Interface()):
			visit(child, needs)
		}
	}
}

// Files returns the files that the configuration names and that are read again at
// a reload.
func (s *Serve) Files() []string { return reloadedFiles(reflect.ValueOf(s).Elem()) }

// Files is [Serve.Files] of a proxy.
func (p *Proxy) Files() []string { return reloadedFiles(reflect.ValueOf(p).Elem()) }

func reloadedFiles(v reflect.Value) (files []string) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if tag := v.Type().Field(i).Tag; tag.Get("yaml") != "-" && tag.Get("reload") != "restart" {
				files = append(files, reloadedFiles(v.Field(i))...)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			files = append(files, reloadedFiles(v.Index(i))...)
		}
	case reflect.String:
		if path, ok := v.Interface().(Path); ok && path != "" {
			files = append(files, string(path))
		}
	}
	return files
}
