package foreign

import (
	"os"
	"testing"

	"github.com/certbound/certbound/conformance/internal/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// TestInterop lets each peer meet certbound, and compares what was seen with
// docs/interop.md. With -update it writes the page's tables instead.
func TestInterop(t *testing.T) {
	p := readPage(t)
	t.Run("clients", func(t *testing.T) { meetClients(t, p.table(t, "clients")) })
	t.Run("authorization servers", func(t *testing.T) { meetIssuers(t, p.table(t, "authorization-servers")) })
	t.Run("resource servers", func(t *testing.T) { meetResourceServers(t, p.table(t, "resource-servers")) })
	p.compare(t)
}
