package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/certbound/certbound/authz/audit"
)

// Days is a time span in days of 24 hours, "400d", as rules on retention give it.
// Zero means without end.
type Days time.Duration

const (
	day     = 24 * time.Hour
	maxDays = 36500
)

// UnmarshalText reads the written form.
func (d *Days) UnmarshalText(text []byte) error {
	digits, ok := strings.CutSuffix(string(text), "d")
	n, err := strconv.ParseUint(digits, 10, 16)
	if !ok || err != nil || n > maxDays || n == 0 {
		return fmt.Errorf("%q is not a number of days: write it with its unit, such as 400d", text)
	}
	*d = Days(time.Duration(n) * day)
	return nil
}

// MarshalText writes the form UnmarshalText reads.
func (d Days) MarshalText() ([]byte, error) {
	if d == 0 {
		return nil, nil
	}
	return fmt.Appendf(nil, "%dd", time.Duration(d)/day), nil
}

func (d Days) validate(c *checker) {
	if d != 0 && time.Duration(d) < audit.MinRetention {
		c.problem("audit.retention", "%dd is less than %dd: whoever looks into an incident needs the weeks before it", time.Duration(d)/day, audit.MinRetention/day)
	}
}
