package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/certbound/certbound/keys/ca/folder"
)

// lockFlags say how a CA's keys are encrypted at rest.
type lockFlags struct {
	passphrase, recipients, identity string
}

const (
	passphraseEnv = "CERTBOUND_CA_PASSPHRASE_FILE"
	identityEnv   = "CERTBOUND_CA_IDENTITY_FILE"
)

// add puts the flags on a command; those for new keys where it makes some.
func (f *lockFlags) add(cmd *cobra.Command, makesKeys bool) {
	flags := cmd.Flags()
	flags.StringVar(&f.passphrase, "passphrase-file", "", "file with the passphrase of the CA's keys; or "+passphraseEnv+"; without any it is asked for")
	if makesKeys {
		flags.StringVar(&f.recipients, "recipients-file", "", "age recipients to encrypt new keys to, instead of a passphrase")
	}
	flags.StringVar(&f.identity, "identity-file", "", "age identities that open the keys, instead of a passphrase; or "+identityEnv)
}

// lock makes what encrypts and opens keys; fresh asks for a new passphrase twice.
func (m *Main) lock(f *lockFlags, fresh bool) (*folder.Lock, error) {
	passphrase, identity := orEnv(m.Environ, f.passphrase, passphraseEnv), orEnv(m.Environ, f.identity, identityEnv)
	if f.recipients != "" || identity != "" {
		if f.passphrase != "" {
			return nil, errors.New("ca: a passphrase and age recipients or identities exclude each other")
		}
		return keyPair(f.recipients, identity)
	}
	if passphrase == "" {
		return m.askPassphrase(fresh)
	}
	text, err := readFile(passphrase)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	// One line end, as an editor leaves it, is no part of it.
	return folder.Passphrase(string(bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))))
}

func keyPair(recipients, identity string) (*folder.Lock, error) {
	var texts [2][]byte
	for i, file := range []string{recipients, identity} {
		if file == "" {
			continue
		}
		text, err := readFile(file)
		if err != nil {
			return nil, err
		}
		defer clear(text)
		texts[i] = text
	}
	return folder.KeyPair(texts[0], texts[1])
}

func (m *Main) askPassphrase(fresh bool) (*folder.Lock, error) {
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return nil, fmt.Errorf("ca: there is no terminal to ask for the passphrase; give --passphrase-file or %s", passphraseEnv)
	}
	first, err := m.ask("Passphrase of the CA's keys: ")
	if err != nil {
		return nil, err
	}
	defer clear(first)
	if fresh {
		again, err := m.ask("The same again: ")
		if err != nil {
			return nil, err
		}
		defer clear(again)
		if !bytes.Equal(first, again) {
			return nil, errors.New("ca: these are two different passphrases")
		}
	}
	return folder.Passphrase(string(first))
}

func (m *Main) ask(prompt string) ([]byte, error) {
	fmt.Fprint(m.Stderr, prompt)
	defer fmt.Fprintln(m.Stderr)
	secret, err := term.ReadPassword(int(os.Stdin.Fd()))
	if err != nil {
		return nil, fmt.Errorf("ca: reading the passphrase: %w", err)
	}
	return secret, nil
}

// orEnv is the flag's value, or the variable's.
func orEnv(environ []string, value, name string) string {
	if value != "" {
		return value
	}
	for _, variable := range environ {
		if v, ok := strings.CutPrefix(variable, name+"="); ok {
			value = v
		}
	}
	return value
}
