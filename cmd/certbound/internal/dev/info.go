package dev

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// infoName is the file a running dev describes itself in.
const infoName = "dev.json"

// Info is dev.json: what a script needs to know of a running dev. Names of
// files are relative to the directory it lies in.
type Info struct {
	Issuer        string      `json:"issuer"`
	TokenEndpoint string      `json:"token_endpoint"`
	Introspection string      `json:"introspection_endpoint"`
	Revocation    string      `json:"revocation_endpoint"`
	JWKSURI       string      `json:"jwks_uri"`
	Proxy         string      `json:"proxy"`
	Admin         string      `json:"admin"`
	AdminAudience string      `json:"admin_audience"`
	Ops           string      `json:"ops"`
	Audience      string      `json:"audience"`
	Upstream      Upstream    `json:"upstream"`
	CA            string      `json:"ca"` // signs the servers' certificates only
	TrustBundles  []Bundle    `json:"trust_bundles"`
	AdminClient   Credentials `json:"admin_client"`
	RSClient      Credentials `json:"rs_client"`
	Clients       []Client    `json:"clients"`
	Routes        []Route     `json:"routes"`
	PID           int         `json:"pid"`

	dir string
}

// Upstream is the demo API, by its own address.
type Upstream struct {
	URL  string `json:"url"`
	Hits string `json:"hits"` // {"hits": N}, the requests that reached it
}

// Bundle is a trust bundle with the key of its CA, so that a test can mint a
// client's certificate.
type Bundle struct {
	Name  string `json:"name"`
	CA    string `json:"ca"`
	CAKey string `json:"ca_key"` // PKCS #8
}

// Credentials are what a client authenticates with.
type Credentials struct {
	ClientID string `json:"client_id"`
	Cert     string `json:"cert"`
	Key      string `json:"key"`
}

// Client is a registered client.
type Client struct {
	ClientID    string            `json:"client_id"`
	Partner     string            `json:"partner"`
	Method      string            `json:"method"`
	Match       map[string]string `json:"match,omitempty"`
	TrustBundle string            `json:"trust_bundle,omitempty"`
	Cert        string            `json:"cert"`
	Key         string            `json:"key"`
	Scopes      []string          `json:"scopes"`
}

// Route is what the proxy lets through.
type Route struct {
	Method string   `json:"method"`
	Path   string   `json:"path"`
	Scopes []string `json:"scopes"`
}

// Path makes a file name of the info absolute.
func (i *Info) Path(name string) string { return filepath.Join(i.dir, name) }

// Client returns the client called id, or an error that says what to check.
func (i *Info) Client(id string) (Client, error) {
	for _, c := range i.Clients {
		if c.ClientID == id {
			return c, nil
		}
	}
	return Client{}, fmt.Errorf("dev: %s has no client %q", i.Path(infoName), id)
}

// ReadInfo reads the dev.json of the dev that runs in dir.
func ReadInfo(dir string) (*Info, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("dev: %w", err)
	}
	data, err := os.ReadFile(filepath.Join(dir, infoName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("dev: no dev runs in %s (there is no %s); start one with: certbound dev --dir %s", dir, infoName, quote(dir))
	}
	if err != nil {
		return nil, fmt.Errorf("dev: %w", err)
	}
	info := &Info{dir: dir}
	if err := json.Unmarshal(data, info); err != nil {
		return nil, fmt.Errorf("dev: %s: %w", filepath.Join(dir, infoName), err)
	}
	return info, nil
}

// write puts the info in place as a whole: who sees the file sees all of it.
func (i *Info) write() error {
	data, err := json.MarshalIndent(i, "", "  ")
	if err != nil {
		return err
	}
	if err := writeFile(i.Path(infoName), append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("dev: %w", err)
	}
	return nil
}

// remove takes the info away; that it is gone already is fine.
func (i *Info) remove() error {
	if err := os.Remove(i.Path(infoName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("dev: %w", err)
	}
	return nil
}
