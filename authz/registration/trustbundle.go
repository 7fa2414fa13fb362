package registration

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/certbound/certbound/keys/trust"
	"github.com/certbound/certbound/storage"
)

// TrustBundle is the body of a trust bundle; certificates are PEM.
type TrustBundle struct {
	Name          string `yaml:"name" json:"name,omitempty" doc:"1 to 128 characters of A-Z a-z 0-9 . _ -, never changes; generated when absent."`
	Anchors       string `yaml:"anchors" json:"anchors"`
	Intermediates string `yaml:"intermediates" json:"intermediates,omitempty"`
	// Issuers, when given, are the CAs that must have signed the leaf itself.
	Issuers string `yaml:"issuers" json:"issuers,omitempty"`
	// MaxDepth is how many CA certificates may stand between leaf and anchor; 0
	// means the default.
	MaxDepth int `yaml:"max_depth" json:"max_depth,omitempty"`
	// AllowPublicRoots admits anchors that browsers trust too. Anybody can get a
	// certificate from those.
	AllowPublicRoots bool `yaml:"allow_public_roots" json:"allow_public_roots,omitempty"`
}

// BundleRecord is a trust bundle to be stored, and to be judged.
type BundleRecord struct {
	Record storage.TrustBundle
	Spec   trust.Spec
	Sound  bool // nothing is wrong but perhaps with the day
}

// Record is the bundle to be stored as the version in force, and what is wrong with
// the body on any day. See [TrustBundle.Judged] for the checks of the day.
func (b TrustBundle) Record(now time.Time) (BundleRecord, Faults) {
	var all Faults
	record := BundleRecord{
		Record: storage.TrustBundle{
			Name: b.Name, Status: storage.BundleActive, CreatedAt: now,
			AnchorsPEM: b.Anchors, IntermediatesPEM: b.Intermediates, IssuersPEM: b.Issuers,
			MaxDepth: b.MaxDepth, AllowPublicRoots: b.AllowPublicRoots, ContentHash: b.contentHash(),
		},
		Spec: trust.Spec{
			Name: b.Name, Version: 1, Anchors: []byte(b.Anchors), Intermediates: []byte(b.Intermediates),
			Issuers: []byte(b.Issuers), MaxDepth: b.MaxDepth, AllowPublicRoots: b.AllowPublicRoots,
		},
	}
	if err := checkID("name", b.Name); err != nil {
		all.Add("name", err)
		return record, all
	}
	_, err := trust.Load(record.Spec)
	all = append(all, b.placed(err)...)
	record.Sound = err == nil
	return record, all
}

// Judged is Record with the checks of the day: a certificate that has expired by now
// is a fault too. The bundle is nil when there is any.
func (b TrustBundle) Judged(now time.Time) (BundleRecord, *trust.Bundle, Faults) {
	record, all := b.Record(now)
	if !record.Sound {
		return record, nil, all
	}
	bundle, err := trust.New(record.Spec, now)
	return record, bundle, b.placed(err)
}

// placed turns what package trust says of a bundle into faults at its members.
func (b TrustBundle) placed(err error) (all Faults) {
	for _, one := range split(err) {
		f := Fault{Err: one, said: strings.TrimPrefix(one.Error(), "trust: bundle "+b.Name+": ")}
		for _, member := range []string{"anchors", "intermediates", "issuers", "max_depth"} {
			if rest, ok := strings.CutPrefix(f.said, member); ok {
				f.Member, f.said = member, strings.TrimPrefix(rest, ": ")
				break
			}
		}
		f.said = strings.TrimSpace(f.said)
		all = append(all, f)
	}
	return all
}

// contentHash covers everything that decides which certificates are accepted.
// Each part is preceded by its length, so that no two bundles hash alike.
func (b TrustBundle) contentHash() string {
	h := sha256.New()
	for _, part := range []string{
		b.Anchors, b.Intermediates, b.Issuers, strconv.Itoa(b.MaxDepth), strconv.FormatBool(b.AllowPublicRoots),
	} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// activeHashes returns the content hash of each name's active version.
func activeHashes(stored []storage.TrustBundle) map[string]string {
	active := make(map[string]string, len(stored))
	for _, bundle := range stored {
		if bundle.Status == storage.BundleActive {
			active[bundle.Name] = bundle.ContentHash
		}
	}
	return active
}
