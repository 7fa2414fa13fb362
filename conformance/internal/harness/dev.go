package harness

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/certbound/certbound/conformance/internal/forge"
)

// Info is dev.json, as far as this version of certbound writes it.
type Info struct {
	Issuer        string `json:"issuer"`
	TokenEndpoint string `json:"token_endpoint"`
	Introspection string `json:"introspection_endpoint"`
	Revocation    string `json:"revocation_endpoint"`
	JWKSURI       string `json:"jwks_uri"`
	Proxy         string `json:"proxy"`
	Admin         string `json:"admin"`
	Ops           string `json:"ops"`
	Audience      string `json:"audience"`
	Upstream      struct {
		URL  string `json:"url"`
		Hits string `json:"hits"`
	} `json:"upstream"`
	CA           string       `json:"ca"`
	TrustBundles []BundleInfo `json:"trust_bundles"`
	Clients      []ClientInfo `json:"clients"`
	Routes       []struct {
		Method string   `json:"method"`
		Path   string   `json:"path"`
		Scopes []string `json:"scopes"`
	} `json:"routes"`
	AdminClient ClientInfo `json:"admin_client"`
	RSClient    ClientInfo `json:"rs_client"`
	PID         int        `json:"pid"`
}

// BundleInfo is a trust bundle of dev.json.
type BundleInfo struct {
	Name  string `json:"name"`
	CA    string `json:"ca"`
	CAKey string `json:"ca_key"`
}

// ClientInfo is a client of dev.json.
type ClientInfo struct {
	ClientID    string            `json:"client_id"`
	Partner     string            `json:"partner"`
	Method      string            `json:"method"`
	Match       map[string]string `json:"match"`
	TrustBundle string            `json:"trust_bundle"`
	Cert        string            `json:"cert"`
	Key         string            `json:"key"`
	Scopes      []string          `json:"scopes"`
}

// Dev is a running `certbound dev`.
type Dev struct {
	Info
	Dir        string
	Cast       *Cast             // the records seeded by us; nil unless shared
	SigningKey *ecdsa.PrivateKey // the key it signs with, when we gave it
	Stderr     *Log
	Stdout     *Log

	roots  *x509.CertPool
	cmd    *exec.Cmd
	exited chan struct{} // closed when the process has ended
}

// Start runs `certbound dev` with more flags, in its own directory on free
// ports, until the test ends.
func Start(t testing.TB, args ...string) *Dev {
	t.Helper()
	d := StartIn(t, t.TempDir(), args...)
	t.Cleanup(func() {
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// StartIn runs `certbound dev` in a directory that may have been used before.
// The test stops it.
func StartIn(t testing.TB, dir string, args ...string) *Dev {
	t.Helper()
	d, err := start(Binary(t), dir, args...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

var (
	sharedMu  sync.Mutex
	sharedDev *Dev
	sharedErr error
)

// Shared returns the one process most tests use. It is started on first use.
func Shared(t testing.TB) *Dev {
	t.Helper()
	path := Binary(t)
	sharedMu.Lock()
	defer sharedMu.Unlock()
	if sharedDev == nil && sharedErr == nil {
		sharedDev, sharedErr = startShared(t, path)
	}
	if sharedErr != nil {
		t.Fatal(sharedErr)
	}
	return sharedDev
}

func startShared(t testing.TB, path string) (*Dev, error) {
	top, err := root()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(top, "shared")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	key := forge.NewKey()
	keyFile := filepath.Join(top, "signing-key.json")
	if err := os.WriteFile(keyFile, forge.PrivateJWK(key), 0o600); err != nil {
		return nil, err
	}
	cast := newCast(t)
	seedFile := filepath.Join(top, "seed.json")
	if err := os.WriteFile(seedFile, cast.seed(), 0o600); err != nil {
		return nil, err
	}
	d, err := start(path, dir, "--signing-key", keyFile, "--seed", seedFile)
	if err != nil {
		return nil, err
	}
	d.Cast, d.SigningKey = cast, key
	return d, nil
}

func stopShared() error {
	sharedMu.Lock()
	defer sharedMu.Unlock()
	if sharedDev == nil {
		return nil
	}
	return sharedDev.Stop()
}

// startTimeout is generous: it bounds a failure, not a speed.
const startTimeout = 90 * time.Second

func start(binary, dir string, args ...string) (*Dev, error) {
	d := &Dev{Dir: dir, Stderr: &Log{}, Stdout: &Log{}, exited: make(chan struct{})}
	all := []string{
		"dev", "--dir", dir,
		"--authz-addr", "127.0.0.1:0", "--proxy-addr", "127.0.0.1:0",
		"--admin-addr", "127.0.0.1:0", "--ops-addr", "127.0.0.1:0",
	}
	d.cmd = exec.Command(binary, append(all, args...)...)
	d.cmd.Dir = dir
	d.cmd.Stdout, d.cmd.Stderr = d.Stdout, d.Stderr
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = d.cmd.Wait() // how it ended shows in ProcessState
		close(d.exited)
	}()
	if err := d.ready(); err != nil {
		_ = d.cmd.Process.Kill()
		<-d.exited
		return nil, fmt.Errorf("harness: certbound dev: %w\nstdout:\n%s\nstderr:\n%s", err, tail(d.Stdout.String()), tail(d.Stderr.String()))
	}
	return d, nil
}

// ready waits for dev.json, which dev writes last and at once.
func (d *Dev) ready() error {
	deadline := time.After(startTimeout)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		content, err := os.ReadFile(filepath.Join(d.Dir, "dev.json"))
		if err == nil {
			err = d.read(content)
		}
		// One that a killed dev left behind is there until ours removes it.
		if err == nil && d.PID == d.cmd.Process.Pid {
			return nil
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		select {
		case <-tick.C:
		case <-d.exited:
			return fmt.Errorf("it ended with code %d before dev.json was there", d.cmd.ProcessState.ExitCode())
		case <-deadline:
			return fmt.Errorf("no dev.json after %s", startTimeout)
		}
	}
}

func (d *Dev) read(content []byte) error {
	if err := json.Unmarshal(content, &d.Info); err != nil {
		return fmt.Errorf("dev.json: %w", err)
	}
	pem, err := os.ReadFile(d.Path(d.CA))
	if err != nil {
		return err
	}
	d.roots = x509.NewCertPool()
	if !d.roots.AppendCertsFromPEM(pem) {
		return fmt.Errorf("%s: no certificate in it", d.CA)
	}
	return nil
}

// Path makes a path of dev.json absolute.
func (d *Dev) Path(relative string) string { return filepath.Join(d.Dir, relative) }

// Kill ends the process without a warning, as a crash would.
func (d *Dev) Kill() error {
	err := d.cmd.Process.Kill()
	<-d.exited
	return err
}

// Stop ends the process as a user would and reports what went wrong with that.
func (d *Dev) Stop() error {
	select {
	case <-d.exited:
		return fmt.Errorf("certbound dev had ended by itself, code %d:\n%s", d.cmd.ProcessState.ExitCode(), tail(d.Stderr.String()))
	default:
	}
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-d.exited:
	case <-time.After(30 * time.Second):
		_ = d.cmd.Process.Kill()
		<-d.exited
		return errors.New("certbound dev did not end within 30 s of SIGTERM")
	}
	if code := d.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("certbound dev ended with code %d after SIGTERM:\n%s", code, tail(d.Stderr.String()))
	}
	return nil
}
