package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// rig is everything that runs: certbound as its users run it, what it is compared
// with, and the API behind.
type rig struct {
	options
	dir     string
	self    string // this program
	client  identity
	servers []*server

	authz, proxy, signer, reverse, verifier *server
	issuer                                  string
	authzOps, proxyOps                      string
}

// newRig lets `certbound dev` make the keys and the records once, and then runs
// serve and proxy on them in processes of their own.
func newRig(ctx context.Context, dir string, o options) (r *rig, err error) {
	r = &rig{options: o, dir: dir}
	defer func() {
		if err != nil {
			r.stop()
		}
	}()
	if r.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if r.binary == "" {
		r.binary = filepath.Join(dir, "certbound")
		build := exec.CommandContext(ctx, "go", "build", "-o", r.binary, "github.com/certbound/certbound/cmd/certbound")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build: %w\n%s", err, out)
		}
	}
	var ports [8]string
	for i := range ports {
		if ports[i], err = freePort(ctx); err != nil {
			return nil, err
		}
	}
	if err := r.prepare(ctx, ports[0], ports[1]); err != nil {
		return nil, err
	}
	return r, r.startAll(ctx, ports[:])
}

// prepare runs `certbound dev` until it has made its directory.
func (r *rig) prepare(ctx context.Context, authz, proxy string) error {
	log, err := os.Create(filepath.Join(r.dir, "dev.log"))
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // the process has its own descriptor
	dev := exec.CommandContext(ctx, r.binary, "dev", "--dir", r.dir, "--authz-addr", authz, "--proxy-addr", proxy,
		"--admin-addr", "127.0.0.1:0", "--ops-addr", "127.0.0.1:0")
	dev.Stdout, dev.Stderr = log, log
	if err := dev.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- dev.Wait() }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(filepath.Join(r.dir, "dev.json")); err == nil {
			break
		}
		select {
		case <-tick.C:
		case err := <-ended:
			text, _ := os.ReadFile(log.Name())
			return fmt.Errorf("certbound dev: %w\n%s", err, text)
		}
	}
	text, err := os.ReadFile(filepath.Join(r.dir, "dev.json"))
	if err != nil {
		return err
	}
	var info struct {
		Issuer string `json:"issuer"`
	}
	if err := json.Unmarshal(text, &info); err != nil {
		return err
	}
	r.issuer = info.Issuer
	if err := dev.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := <-ended; err != nil {
		return fmt.Errorf("certbound dev: %w", err)
	}
	r.client, err = readIdentity(r.dir)
	return err
}

func (r *rig) startAll(ctx context.Context, ports []string) error {
	authz, proxy, upstream := ports[0], ports[1], ports[2]
	r.authzOps, r.proxyOps = ports[6], ports[7]
	if err := r.writeConfig("serve.yaml", serveConfig, r.issuer, authz, r.durability, r.authzOps, r.profile); err != nil {
		return err
	}
	// A proxy is no neighbour of the database.
	if err := os.Mkdir(filepath.Join(r.dir, "proxy"), 0o700); err != nil {
		return err
	}
	if err := r.writeConfig("proxy/proxy.yaml", proxyConfig, proxy, r.issuer, audience(proxy), upstream, r.proxyOps, r.profile); err != nil {
		return err
	}
	pki := []string{"-cert", filepath.Join(r.dir, "pki/server.pem"), "-key", filepath.Join(r.dir, "pki/server.key")}
	target := []string{"-target", "http://" + upstream}
	keySet := filepath.Join(r.dir, "jwks.json")
	baseline := func(kind, address string, more ...string) []string {
		return append([]string{r.self, baselineCommand, kind, "-listen", address}, more...)
	}
	// A directory of its own for what is written to: servers watch those of their files.
	logs := filepath.Join(r.dir, "log")
	if err := os.Mkdir(logs, 0o700); err != nil {
		return err
	}
	for _, one := range []struct {
		into    **server
		name    string
		address string
		argv    []string
	}{
		{new(*server), "upstream", upstream, baseline("upstream", upstream)},
		{&r.authz, "serve", authz, []string{r.binary, "serve", "--config", filepath.Join(r.dir, "serve.yaml")}},
		{&r.proxy, "proxy", proxy, []string{r.binary, "proxy", "--config", filepath.Join(r.dir, "proxy/proxy.yaml")}},
		{&r.signer, "signer", ports[3], baseline("signer", ports[3], pki...)},
		{&r.reverse, "reverse", ports[4], baseline("reverse", ports[4], append(pki, target...)...)},
		{&r.verifier, "verifier", ports[5], baseline("verifier", ports[5], append(append(pki, target...), "-jwks", keySet)...)},
	} {
		if one.name == "verifier" {
			if err := r.saveKeySet(ctx, keySet); err != nil {
				return err
			}
		}
		s, err := start(ctx, one.name, one.address, filepath.Join(logs, one.name+".log"), one.argv...)
		if err != nil {
			return err
		}
		r.servers = append(r.servers, s)
		*one.into = s
	}
	return r.proxyReady(ctx)
}

func (r *rig) stop() {
	for i := len(r.servers) - 1; i >= 0; i-- {
		r.servers[i].stop()
	}
	r.servers = nil
}

// audience is how dev names its proxy.
func audience(proxy string) string {
	return "https://localhost" + proxy[strings.LastIndexByte(proxy, ':'):]
}

func (r *rig) writeConfig(name, format string, args ...any) error {
	return os.WriteFile(filepath.Join(r.dir, name), fmt.Appendf(nil, format, args...), 0o600)
}

// get asks a server for a document, over TLS as our client.
func (r *rig) get(ctx context.Context, address string) ([]byte, error) {
	client := r.client.http(false)
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %d %s", address, response.StatusCode, text)
	}
	return text, err
}

func (r *rig) saveKeySet(ctx context.Context, file string) error {
	text, err := r.get(ctx, r.issuer+"/.well-known/jwks.json")
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}

// proxyReady waits until the proxy has heard the revocation feed: before, it
// refuses everybody.
func (r *rig) proxyReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		token, err := r.client.token(ctx, r.authz.address)
		if err == nil {
			err = r.client.call(ctx, r.proxy.address, token)
		}
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(errors.New("the proxy lets nobody through"), err)
		}
	}
}

const serveConfig = `version: 1
issuer: %s
listen: %s
tls: {certificate: pki/server.pem, key: pki/server.key}
database: {path: certbound.db}
keys: {active: dev, keks: [{id: dev, file: kek}]}
token_lifetime: 1h
audit: {durability: %s, instance: load}
rate_limits: {token: {requests: 1000000, per: 1s}}
ops: {listen: "%s", profiles: %t}
`

const proxyConfig = `version: 1
listen: %s
tls: {certificate: ../pki/server.pem, key: ../pki/server.key}
issuer: %s
issuer_ca: ../pki/ca.pem
audience: %s
revocations: {client_id: accounts-api, certificate: ../pki/accounts-api.pem, key: ../pki/accounts-api.key}
routes:
  - {path: /accounts, methods: [GET], scopes: ["accounts:read"], upstream: "http://%s"}
ops: {listen: "%s", profiles: %t}
`
