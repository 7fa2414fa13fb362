package config_test

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/certbound/certbound/cmd/certbound/internal/config"
)

// settingsOf lists what can be set, in the order of declaration: routes[].path.
func settingsOf(t reflect.Type, path string) (all []string) {
	for i := range t.NumField() {
		name := t.Field(i).Tag.Get("yaml")
		if name == "" || name == "-" {
			continue
		}
		child, kind := path+name, t.Field(i).Type
		if kind.Kind() == reflect.Slice {
			child, kind = child+"[]", kind.Elem()
		}
		if kind.Kind() == reflect.Struct {
			all = append(all, settingsOf(kind, child+".")...)
		} else {
			all = append(all, path+name)
		}
	}
	return all
}

// TestProxyPage: docs/proxy.md has a line for each setting of the proxy, and for
// none that does not exist.
func TestProxyPage(t *testing.T) {
	page, err := os.ReadFile("../../../../docs/proxy.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z0-9_.\\[\\]]+)` \\|").FindAllSubmatch(page, -1) {
		documented = append(documented, string(m[1]))
	}
	want := settingsOf(reflect.TypeFor[config.Proxy](), "")
	slices.Sort(want)
	slices.Sort(documented)
	if diff := cmp.Diff(want, documented); diff != "" {
		t.Errorf("settings (-code +page):\n%s", diff)
	}
}
