package demo

import (
	"context"
	"fmt"
	"io"
)

// outcome is what one request came to.
type outcome struct {
	status  int
	reason  string // of the refusal, from its body
	reached int64  // how many requests arrived at the API behind the proxy
}

func (o outcome) String() string {
	text := fmt.Sprint(o.status)
	if o.reason != "" {
		text += " " + o.reason
	}
	switch o.reached {
	case 0:
		return text
	case 1:
		return text + ", reached the API"
	}
	return fmt.Sprintf("%s, reached the API %d times", text, o.reached)
}

// step is one request of the story and what must come of it.
type step struct {
	title string
	want  outcome
	run   func(context.Context) (outcome, error)
}

// tell runs the steps in order and prints a line for each. It returns how many
// came out as they should.
func tell(ctx context.Context, w io.Writer, steps []step) (good int, err error) {
	for i, s := range steps {
		got, failure := s.run(ctx)
		verdict, text := "ok  ", got.String()
		switch {
		case failure != nil:
			verdict, text = "FAIL", failure.Error()
		case got != s.want:
			verdict, text = "FAIL", fmt.Sprintf("%s; want %s", got, s.want)
		default:
			good++
		}
		if s.want.status >= 400 && verdict != "FAIL" {
			text += ", API not reached"
		}
		if _, err := fmt.Fprintf(w, "%s  %d  %-58s  %s\n", verdict, i+1, s.title, text); err != nil {
			return good, err
		}
	}
	_, err = fmt.Fprintf(w, "%d of %d as they should be\n", good, len(steps))
	return good, err
}
