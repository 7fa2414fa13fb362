package config

import (
	"fmt"
	"strings"
	"time"
)

// Duration is a time span written with its unit: "90s", "5m", "1h30m". A bare
// number is refused, so that nobody has to guess its unit.
type Duration time.Duration

// UnmarshalText reads the written form.
func (d *Duration) UnmarshalText(text []byte) error {
	span, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a duration: write a number with its unit, such as 30s, 5m or 1h", text)
	}
	*d = Duration(span)
	return nil
}

// MarshalText writes the form UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String leaves out the zero units of time.Duration's: "1h", not "1h0m0s".
func (d Duration) String() string {
	s := time.Duration(d).String()
	if short, ok := strings.CutSuffix(s, "m0s"); ok {
		s = short + "m"
	}
	if short, ok := strings.CutSuffix(s, "h0m"); ok {
		s = short + "h"
	}
	return s
}
