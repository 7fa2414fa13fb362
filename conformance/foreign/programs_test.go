package foreign

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/keys/keystest"
)

const form = "grant_type=client_credentials&client_id="

// curl asks for the body of a refusal and for an exit code at once.
func curl(t *testing.T) (version string, do func(*testing.T, request) outcome) {
	path := keystest.Program(t, "curl")
	return firstField(must(t, "", path, "--version"), 1), func(t *testing.T, r request) outcome {
		args := []string{"-q", "-sS", "--fail-with-body", "--max-time", "20", "-w", "\n%{http_code}", "--cacert", r.CA}
		if r.Cert != "" {
			args = append(args, "--cert", r.Cert, "--key", r.Key)
		}
		if r.Token == "" {
			args = append(args, "-d", form+r.ClientID, r.TokenEndpoint)
		} else {
			args = append(args, "-H", "Authorization: Bearer "+r.Token, r.API)
		}
		f := run(t, "", path, args...)
		end := strings.LastIndexByte(f.stdout, '\n')
		if end < 0 {
			t.Fatalf("curl: code %d, %s%s", f.code, f.stdout, f.stderr)
		}
		status, _ := strconv.Atoi(f.stdout[end+1:])
		said := ""
		if f.code != 0 {
			said = fmt.Sprintf("exit %d, %s", f.code, strings.TrimSpace(f.stderr))
		}
		return outcome{status, f.stdout[:end], said}
	}
}

// opensslClient speaks HTTP/1.1 by hand over openssl's TLS: what is on the wire
// needs no client library.
func opensslClient(t *testing.T) (version string, do func(*testing.T, request) outcome) {
	path := keystest.Program(t, "openssl")
	return firstField(must(t, "", path, "version"), 1), func(t *testing.T, r request) outcome {
		method, target, header, body := http.MethodPost, r.TokenEndpoint, "Content-Type: "+harness.FormType, form+r.ClientID
		if r.Token != "" {
			method, target, header, body = http.MethodGet, r.API, "Authorization: Bearer "+r.Token, ""
		}
		u, err := url.Parse(target)
		if err != nil {
			t.Fatal(err)
		}
		args := []string{"s_client", "-quiet", "-verify_quiet", "-verify_return_error", "-verify_hostname", "localhost",
			"-CAfile", r.CA, "-connect", u.Host, "-servername", "localhost"}
		if r.Cert != "" {
			args = append(args, "-cert", r.Cert, "-key", r.Key)
		}
		text := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\n%s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
			method, u.Path, u.Host, header, len(body), body)
		resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(must(t, text, path, args...))), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		said := ""
		if resp.StatusCode != http.StatusOK {
			said = resp.Proto + " " + resp.Status
		}
		return outcome{resp.StatusCode, string(answer), said}
	}
}

// openidClient runs testdata/node/client.mjs.
func openidClient(t *testing.T) (version string, do func(*testing.T, request) outcome) {
	dir := nodeDir(t)
	return npmVersion(t, dir, "openid-client"), script("node", filepath.Join(dir, "client.mjs"))
}

// npmVersion is the version that is installed. npm ci holds it to package-lock.json.
func npmVersion(t *testing.T, dir, name string) string {
	t.Helper()
	const read = `import { readFileSync } from "node:fs"; console.log(JSON.parse(readFileSync(process.argv[1])).version)`
	return firstField(must(t, "", "node", "--input-type=module", "-e", read, filepath.Join(dir, "node_modules", name, "package.json")), 0)
}

// pythonClient runs a script of testdata/python.
func pythonClient(module, file string) func(*testing.T) (string, func(*testing.T, request) outcome) {
	return func(t *testing.T) (string, func(*testing.T, request) outcome) {
		path := python(t, module)
		version := firstField(must(t, "", path, "-c", "import "+module+"; print("+module+".__version__)"), 0)
		return version, script(path, filepath.Join("testdata", "python", file))
	}
}

// script is a client that reads the request and writes the outcome as JSON.
func script(interpreter, file string) func(*testing.T, request) outcome {
	return func(t *testing.T, r request) outcome {
		t.Helper()
		in, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var o outcome
		out := must(t, string(in), interpreter, file)
		if err := json.Unmarshal([]byte(out), &o); err != nil {
			t.Fatalf("%s: %v in %s", file, err, out)
		}
		return o
	}
}

// javaClient compiles testdata/java/Client.java once and runs it for each request.
func javaClient(t *testing.T) (version string, do func(*testing.T, request) outcome) {
	compiler, path, classes := keystest.Program(t, "javac"), keystest.Program(t, "java"), t.TempDir()
	must(t, "", compiler, "-d", classes, filepath.Join("testdata", "java", "Client.java"))
	return firstField(must(t, "", compiler, "--version"), 1), func(t *testing.T, r request) outcome {
		var in strings.Builder
		for name, value := range map[string]string{
			"ca": r.CA, "cert": r.Cert, "key": r.Key, "client_id": r.ClientID,
			"token_endpoint": r.TokenEndpoint, "api": r.API, "token": r.Token,
		} {
			fmt.Fprintf(&in, "%s=%s\n", name, strings.ReplaceAll(value, `\`, `\\`))
		}
		line, body, _ := strings.Cut(must(t, in.String(), path, "-XX:TieredStopAtLevel=1", "-cp", classes, "Client"), "\n")
		status, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		said := ""
		if status != http.StatusOK {
			said = fmt.Sprintf("statusCode() %d, no exception", status)
		}
		return outcome{status, body, said}
	}
}
