package revokefeed

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/go-jose/go-jose/v4/json"
)

// Type is the typ header of a feed. An access token has another, so neither is
// ever taken for the other.
const Type = "certbound-revocations+jwt"

// ContentType is the media type of the endpoint's answer.
const ContentType = "application/jwt"

// Lifetime is the exp that the authorization server gives a feed. It is made
// for one answer; longer only helps whoever keeps an old one to show again.
const Lifetime = time.Minute

// MaxSize is the most octets a feed may have, signed or not, and MaxEntries the
// most entries. What does not fit goes into a further answer, see [Feed.Head].
const (
	MaxSize    = 8 << 20
	MaxEntries = 50_000
)

// Feed is one answer of the authorization server.
type Feed struct {
	Issuer   string    // iss
	IssuedAt time.Time // iat
	Expiry   time.Time // exp
	Seq      int64     // seq: the state after these entries
	Head     int64     // head: where the authorization server is; more than Seq means that there is more to ask for
	After    int64     // after: a delta's beginning; absent from a full feed
	Full     bool      // full: the entries are the whole state, not a change of it
	Entries  []Entry   // entries, in ascending order of seq
}

// Kinds of entries.
const (
	KindClient      = "client"      // sub is a client_id; its tokens with gen < min_gen are dead
	KindCertificate = "certificate" // sub is an x5t#S256; tokens bound to it are dead
	KindBinding     = "binding"     // sub is a client_id, a space and an x5t#S256; that client's tokens bound to it are dead
	KindToken       = "token"       // sub is a jti
	KindKey         = "key"         // sub is a kid; tokens signed with it are dead
)

// Actions of entries.
const (
	ActionDeny = "deny"
	ActionLift = "lift" // takes an earlier deny back; generations are never lifted
)

// Entry is one thing that is dead, or is no longer.
type Entry struct {
	Kind          string    // kind
	Subject       string    // sub
	MinGeneration int64     // min_gen: for clients only, the least generation that is valid
	Client        string    // client: for tokens, whose it is; with gen, or neither
	Generation    int64     // gen: of that token; a min_gen above it says all that the entry says
	Action        string    // action
	Seq           int64     // seq
	Expires       time.Time // exp: no token that it touches lives longer, it may be forgotten
}

// ErrMalformed means that a feed cannot be read by this package's rules.
var ErrMalformed = errors.New("revokefeed: malformed")

// feedRows and entryRows are every member, in the order they are written.
var feedRows = []row[Feed]{
	textRow("iss", true, func(f *Feed) *string { return &f.Issuer }),
	timeRow("iat", func(f *Feed) *time.Time { return &f.IssuedAt }),
	timeRow("exp", func(f *Feed) *time.Time { return &f.Expiry }),
	numberRow("seq", true, func(f *Feed) *int64 { return &f.Seq }),
	numberRow("head", true, func(f *Feed) *int64 { return &f.Head }),
	{"full", true, readBool(func(f *Feed) *bool { return &f.Full }), func(f *Feed, b []byte) ([]byte, error) { return strconv.AppendBool(b, f.Full), nil }},
	{"after", false, readAfter, writeAfter},
	{"entries", true, readEntries, writeEntries},
}

var entryRows = []row[Entry]{
	textRow("kind", true, func(e *Entry) *string { return &e.Kind }),
	textRow("sub", true, func(e *Entry) *string { return &e.Subject }),
	numberRow("min_gen", false, func(e *Entry) *int64 { return &e.MinGeneration }),
	textRow("client", false, func(e *Entry) *string { return &e.Client }),
	numberRow("gen", false, func(e *Entry) *int64 { return &e.Generation }),
	textRow("action", true, func(e *Entry) *string { return &e.Action }),
	numberRow("seq", true, func(e *Entry) *int64 { return &e.Seq }),
	timeRow("exp", func(e *Entry) *time.Time { return &e.Expires }),
}

// Parse reads the payload of a feed whose signature has been verified. Claims
// that are not in the table are ignored (RFC 7519 §4), members of entries are
// not.
func Parse(payload []byte) (*Feed, error) {
	f, err := parse(payload)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return f, nil
}

func parse(payload []byte) (*Feed, error) {
	if len(payload) > MaxSize {
		return nil, fmt.Errorf("more than %d octets", MaxSize)
	}
	members, err := object(payload)
	if err != nil {
		return nil, err
	}
	f := &Feed{After: absent}
	if err := read(feedRows, f, members); err != nil {
		return nil, fmt.Errorf("claim %w", err)
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	f.After = max(f.After, 0)
	return f, nil
}

// absent is Feed.After between reading and checking when there is no claim.
const absent = -1

func readAfter(f *Feed, raw json.RawMessage) (err error) {
	f.After, err = integer(raw, maxNumber)
	return err
}

func writeAfter(f *Feed, b []byte) ([]byte, error) {
	if f.Full && f.After == 0 {
		return nil, nil
	}
	return appendNumber(b, f.After) // of a full feed too, to be refused
}

// check is what one claim alone cannot say.
func (f *Feed) check() error {
	switch {
	case !f.Expiry.After(f.IssuedAt):
		return errors.New("claim exp is not after iat")
	case f.Full && f.After != absent:
		return errors.New("claim after does not belong into a full feed")
	case !f.Full && f.After == absent:
		return errors.New("claim after is missing from a delta")
	case f.After > f.Seq:
		return errors.New("claim after is beyond seq")
	case f.Head < f.Seq:
		return errors.New("claim head is before seq")
	case f.Head > f.Seq && len(f.Entries) == 0:
		// A follower would ask for the rest for ever.
		return errors.New("there is more to come, but this part is empty")
	}
	return f.checkOrder()
}

// checkOrder wants the entries' numbers to rise, between after and seq: an
// earlier entry must not undo a later one because of the order of a list.
func (f *Feed) checkOrder() error {
	last := max(f.After, 0)
	for i := range f.Entries {
		seq := f.Entries[i].Seq
		if seq <= last {
			return fmt.Errorf("entry %d: seq %d does not follow %d", i, seq, last)
		}
		last = seq
	}
	if last > f.Seq {
		return fmt.Errorf("an entry has seq %d in a feed of seq %d", last, f.Seq)
	}
	return nil
}

func readEntries(f *Feed, raw json.RawMessage) error {
	if raw[0] != '[' {
		return errors.New("is not an array")
	}
	// Taken apart first and counted, before each element costs an object.
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return err
	}
	if len(list) > MaxEntries {
		return fmt.Errorf("has more than %d elements", MaxEntries)
	}
	f.Entries = make([]Entry, len(list))
	for i := range list {
		if err := readEntry(&f.Entries[i], list[i]); err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
	}
	return nil
}

func readEntry(e *Entry, raw json.RawMessage) error {
	members, err := object(raw)
	if err != nil {
		return errors.New("is not an object with distinct members")
	}
	if err := read(entryRows, e, members); err != nil {
		return fmt.Errorf("member %w", err)
	}
	for name := range members {
		return fmt.Errorf("unknown member %q", name)
	}
	return e.check()
}

func (e *Entry) check() error {
	switch {
	case e.Action != ActionDeny && e.Action != ActionLift:
		return fmt.Errorf("unknown action %q", e.Action)
	case e.Kind != KindToken && (e.Client != "" || e.Generation != 0):
		return fmt.Errorf("members client and gen do not belong to the kind %s", e.Kind)
	case (e.Client == "") != (e.Generation == 0):
		return errors.New("of the members client and gen one is missing")
	case e.Kind == KindClient && e.MinGeneration < 1:
		return errors.New("member min_gen is missing")
	case e.Kind == KindClient && e.Action == ActionLift:
		return errors.New("generations are never lifted")
	case e.Kind == KindClient:
		return nil
	case e.MinGeneration != 0:
		return fmt.Errorf("member min_gen does not belong to the kind %s", e.Kind)
	case e.Kind == KindCertificate:
		return checkThumbprint(e.Subject)
	case e.Kind == KindBinding:
		_, err := readBinding(e.Subject)
		return err
	case e.Kind == KindToken, e.Kind == KindKey:
		return nil
	}
	return fmt.Errorf("unknown kind %q", e.Kind)
}

func writeEntries(f *Feed, b []byte) (_ []byte, err error) {
	if len(f.Entries) > MaxEntries {
		return nil, fmt.Errorf("has more than %d elements", MaxEntries)
	}
	b = append(b, '[')
	for i := range f.Entries {
		if i > 0 {
			b = append(b, ',')
		}
		e := &f.Entries[i]
		if b, err = write(entryRows, e, b); err != nil {
			return nil, fmt.Errorf("element %d: member %w", i, err)
		}
		if err := e.check(); err != nil {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
	}
	return append(b, ']'), nil
}

// Marshal writes the payload of the feed. It refuses what [Parse] would.
func (f *Feed) Marshal() ([]byte, error) {
	payload, err := f.marshal()
	if err != nil {
		return nil, fmt.Errorf("revokefeed: refusing to write an unreadable feed: %w: %w", ErrMalformed, err)
	}
	return payload, nil
}

// marshal holds the feed to the rules of parse, row by row and as a whole, without
// reading back what it has written: an answer can have thousands of entries.
func (f *Feed) marshal() ([]byte, error) {
	payload, err := write(feedRows, f, make([]byte, 0, 256+160*len(f.Entries)))
	if err != nil {
		return nil, fmt.Errorf("claim %w", err)
	}
	written := *f
	if f.Full && f.After == 0 { // writeAfter leaves it out
		written.After = absent
	}
	if err := written.check(); err != nil {
		return nil, err
	}
	if len(payload) > MaxSize {
		return nil, fmt.Errorf("more than %d octets", MaxSize)
	}
	return payload, nil
}
