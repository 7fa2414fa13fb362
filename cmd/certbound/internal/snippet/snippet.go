// Package snippet prints code by which a client gets a certificate-bound token and
// calls an API with it, in the language of its team. It works as printed: with the
// standard library only, and the paths and addresses filled in.
package snippet

import (
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/template"
)

// Data is what is filled in.
type Data struct {
	ClientID      string
	TokenEndpoint string
	Scope         string // space-separated; empty: all
	API           string // URL that is called with the token
	Cert, Key, CA string // files, in PEM
}

// Languages are those there is code for.
func Languages() []string { return []string{"curl", "go", "python", "node", "java"} }

//go:embed templates
var files embed.FS

// How a text is written in each language. A JSON string in ASCII is also one of Go,
// Python, JavaScript and Java.
var quoted = map[string]func(string) string{"curl": shell, "go": literal, "python": literal, "node": literal, "java": literal}

func literal(s string) string {
	text, err := json.Marshal(s)
	if err != nil { // no text can fail
		panic(err)
	}
	var b strings.Builder
	for _, r := range string(text) {
		if r < 0x80 {
			b.WriteRune(r)
			continue
		}
		if r >= 0x10000 {
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
			continue
		}
		fmt.Fprintf(&b, `\u%04x`, r)
	}
	return b.String()
}

// shell makes s one word of a POSIX shell.
func shell(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// Write writes the code in one of Languages.
func Write(w io.Writer, language string, d Data) error {
	quote, ok := quoted[language]
	if !ok {
		return fmt.Errorf("snippet: there is no code in %q", language)
	}
	t, err := template.New(language+".tmpl").Funcs(template.FuncMap{"q": quote}).ParseFS(files, "templates/"+language+".tmpl")
	if err != nil {
		return fmt.Errorf("snippet: %w", err)
	}
	return t.Execute(w, d)
}
