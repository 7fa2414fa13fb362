package config_test

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/certbound/certbound/cmd/certbound/internal/config"
)

// TestRestartIsDocumented: the page for operators lists what needs a restart.
func TestRestartIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../../../docs/reload.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "## What needs a restart")
	section, _, _ = strings.Cut(section, "\n## ")
	for _, of := range []reflect.Type{reflect.TypeFor[config.Serve](), reflect.TypeFor[config.Proxy]()} {
		for _, name := range restartSettings(of, "", false) {
			if !strings.Contains(section, "`"+name+"`") {
				t.Errorf("docs/reload.md does not say that %s of %s needs a restart", name, of)
			}
		}
	}
}

func restartSettings(of reflect.Type, in string, restart bool) (names []string) {
	for i := range of.NumField() {
		field := of.Field(i)
		name := field.Tag.Get("yaml")
		if name == "" || name == "-" {
			continue
		}
		needs := restart || field.Tag.Get("reload") == "restart"
		switch {
		case field.Type.Kind() == reflect.Struct:
			names = append(names, restartSettings(field.Type, in+name+".", needs)...)
		case needs:
			names = append(names, in+name)
		}
	}
	return names
}
