package storagetest

import (
	"context"
	"errors"
	"testing"

	"github.com/certbound/certbound/storage"
)

// Run tests what every method promises, on a new database for each group.
func Run(t *testing.T, newStore NewStore) {
	for _, group := range []struct {
		name string
		run  func(*testing.T, storage.Store)
	}{
		{"Partners", testPartners},
		{"Clients", testClients},
		{"ClientLists", testClientLists},
		{"ClientUpdates", testClientUpdates},
		{"ClientRules", testClientRules},
		{"Generations", testGenerations},
		{"Generation", testGeneration},
		{"Certificates", testCertificates},
		{"CertificateLife", testCertificateLife},
		{"CertificatesSeen", testCertificatesSeen},
		{"CertificatesInUse", testCertificatesInUse},
		{"Enrollments", testEnrollments},
		{"EnrollmentIssuers", testEnrollmentIssuers},
		{"KeySets", testKeySets},
		{"TrustBundles", testTrustBundles},
		{"TrustProposals", testProposals},
		{"APIs", testAPIs},
		{"APIUpdates", testAPIUpdates},
		{"SigningKeys", testSigningKeys},
		{"KeyRotation", testKeyRotation},
		{"KeyRefusals", testKeyRefusals},
		{"AuditStreams", testAuditStreams},
		{"AuditAppend", testAuditAppend},
		{"AuditQueries", testAuditQueries},
		{"AuditQueriesIndexed", testAuditQueriesIndexed},
		{"AuditPages", testAuditPages},
		{"AuditIndex", testAuditIndex},
		{"AuditCommit", testAuditCommit},
		{"AuditScan", testAuditScan},
		{"AuditRoundTrip", testAuditRoundTrip},
		{"AuditCheckpoints", testAuditCheckpoints},
		{"AuditPrunings", testAuditPrunings},
		{"AuditPruning", testAuditPruning},
		{"Feed", testFeed},
		{"FeedKeeps", testFeedKeeps},
		{"FeedPruning", testFeedPruning},
		{"FeedTokensOfAClient", testFeedTokensOfAClient},
		{"Denied", testDenied},
		{"Denials", testDenials},
		{"IdempotentAnswers", testIdempotentAnswers},
		{"Registration", testRegistration},
		{"Update", testUpdate},
		{"Cancellation", testCancellation},
		{"Hostile", testHostile},
	} {
		t.Run(group.name, func(t *testing.T) { group.run(t, newStore(t)) })
	}
}

// failing runs one write in its own Update and returns its error.
func failing(t testing.TB, s storage.Store, write func(context.Context, storage.Tx) error) error {
	t.Helper()
	ctx := t.Context()
	return s.Update(ctx, func(tx storage.Tx) error { return write(ctx, tx) })
}

// refused is one write that must fail, and how.
type refused struct {
	name  string
	write func(context.Context, storage.Tx) error
	want  error
}

func checkRefused(t *testing.T, s storage.Store, cases []refused) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := failing(t, s, c.write)
			if !errors.Is(err, c.want) {
				t.Fatalf("got error %v, want %v", err, c.want)
			}
			var conflict *storage.ConflictError
			if errors.Is(c.want, storage.ErrConflict) && (!errors.As(err, &conflict) || conflict.Rule == "") {
				t.Errorf("the conflict names no rule: %#v", err)
			}
		})
	}
}

// notFound fails the test unless err is storage.ErrNotFound.
func notFound(t testing.TB, what string, err error) {
	t.Helper()
	if !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("%s: got error %v, want ErrNotFound", what, err)
	}
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
