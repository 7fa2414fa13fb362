package conformance

import (
	"os"
	"testing"

	"github.com/certbound/certbound/conformance/internal/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
