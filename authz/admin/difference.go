package admin

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"slices"
	"strconv"
	"time"

	"github.com/certbound/certbound/authz/certinfo"
	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/keys/trust"
	"github.com/certbound/certbound/storage"
)

// BundleDifference is what a proposal changes, read from the certificates themselves:
// who approves it must not have to decode PEM, nor believe a comment in it.
type BundleDifference struct {
	Added    []Authority     `json:"added"`
	Removed  []Authority     `json:"removed"`
	Settings []SettingChange `json:"settings"`
}

// Authority is a certificate of a trust bundle, and what it is there for.
type Authority struct {
	As       string    `json:"as" enum:"anchor,intermediate,issuer"`
	Subject  string    `json:"subject"`
	Issuer   string    `json:"issuer"`
	Serial   string    `json:"serial" doc:"In hexadecimal digits."`
	NotAfter time.Time `json:"not_after"`
	SHA256   string    `json:"sha256" doc:"Fingerprint of the certificate, in hexadecimal digits: what to compare by another way."`
}

// SettingChange is a member beside the certificates that gets another value.
type SettingChange struct {
	Setting string `json:"setting"`
	Before  string `json:"before"`
	After   string `json:"after"`
}

// differ compares two contents; nil is a bundle of which no version is in force.
func differ(before, after *registration.TrustBundle) *BundleDifference {
	was, is := authorities(before), authorities(after)
	d := &BundleDifference{Added: lacking(is, was), Removed: lacking(was, is), Settings: []SettingChange{}}
	if after == nil {
		return d
	}
	if before == nil {
		before = &registration.TrustBundle{}
	}
	for _, one := range []SettingChange{
		{"max_depth", strconv.Itoa(before.MaxDepth), strconv.Itoa(after.MaxDepth)},
		{"allow_public_roots", strconv.FormatBool(before.AllowPublicRoots), strconv.FormatBool(after.AllowPublicRoots)},
	} {
		if one.Before != one.After {
			d.Settings = append(d.Settings, one)
		}
	}
	return d
}

// authorities are the certificates of a bundle. What cannot be read any more accepted
// nobody, and is not put in force either.
func authorities(b *registration.TrustBundle) (all []Authority) {
	if b == nil {
		return nil
	}
	record, _ := b.Record(time.Time{})
	bundle, err := trust.Load(record.Spec)
	if err != nil {
		return nil
	}
	for _, list := range []struct {
		as    string
		certs []*x509.Certificate
	}{{"anchor", bundle.Anchors()}, {"intermediate", bundle.Intermediates()}, {"issuer", bundle.Issuers()}} {
		for _, cert := range list.certs {
			sum := sha256.Sum256(cert.Raw)
			all = append(all, Authority{
				As: list.as, Subject: certinfo.NameText(cert.RawSubject), Issuer: certinfo.NameText(cert.RawIssuer),
				Serial: cert.SerialNumber.Text(16), NotAfter: cert.NotAfter.UTC(), SHA256: hex.EncodeToString(sum[:]),
			})
		}
	}
	return all
}

// lacking are those of all that are not among others, for the same purpose.
func lacking(all, others []Authority) []Authority {
	there := map[Authority]bool{}
	for _, one := range others {
		there[one] = true
	}
	return slices.DeleteFunc(append([]Authority{}, all...), func(one Authority) bool { return there[one] })
}

// inForce is the content of a version, nil where it is out of force.
func inForce(v *TrustBundleView) *registration.TrustBundle {
	if v == nil || v.Status != string(storage.BundleActive) {
		return nil
	}
	return &v.TrustBundle
}
