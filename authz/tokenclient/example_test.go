package tokenclient_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/certbound/certbound/authz/tokenclient"
)

// A program that calls an API: the transport gets tokens, keeps them, and follows
// the certificate when it is renewed on disk.
func ExampleSource_Transport() {
	source, err := tokenclient.NewSource(tokenclient.SourceConfig{
		Config:       tokenclient.Config{Issuer: "https://as.example", ClientID: "acme-billing"},
		Request:      tokenclient.Request{Scopes: []string{"accounts:read"}, Resource: "https://api.example"},
		Certificates: tokenclient.NewFiles("client.pem", "client.key"),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer source.Close()
	transport, err := source.Transport(nil)
	if err != nil {
		log.Fatal(err)
	}
	client := &http.Client{Transport: transport, Timeout: 30 * time.Second}
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "https://api.example/accounts", nil)
	if err != nil {
		log.Fatal(err)
	}
	response, err := client.Do(request)
	var refusal *tokenclient.Error
	if errors.As(err, &refusal) {
		log.Fatalf("no token: %s, ask the operator about %s", refusal.Reason, refusal.RequestID)
	}
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	fmt.Println(response.Status)
}

// What is missing is said at once, before anything is sent.
func ExampleNewSource() {
	_, err := tokenclient.NewSource(tokenclient.SourceConfig{
		Config:       tokenclient.Config{Issuer: "https://as.example", ClientID: "acme-billing"},
		Certificates: tokenclient.NewFiles("not-there.pem", "not-there.key"),
	})
	fmt.Println(err)
	// Output: tokenclient: stat not-there.pem: no such file or directory
}
