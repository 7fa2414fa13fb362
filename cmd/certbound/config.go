package main

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/cmd/certbound/internal/cli"
	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/cmd/certbound/internal/process"
)

func (m *Main) configCommand() *cobra.Command {
	output := cli.OneOf{Value: "table", Allowed: []string{"table", "json"}}
	which := cli.OneOf{Allowed: []string{string(config.ServeProcess), string(config.ProxyProcess)}}
	validate := &cobra.Command{
		Use:   "validate FILE",
		Short: "Check a configuration file and every file it names, all errors at once",
		Long: `validate reads a configuration the way serve or proxy does, environment included,
and opens every file it names except the database. It listens nowhere and changes
nothing.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return m.validate(args[0], config.Process(which.Value), output.Value == "json")
		},
	}
	validate.Flags().Var(&which, "process", "what the file configures; told by its settings when not given")
	must(validate.RegisterFlagCompletionFunc("process", cobra.FixedCompletions(which.Allowed, cobra.ShellCompDirectiveNoFileComp)))
	outputFlag(validate, &output)
	return group(&cobra.Command{Use: "config", Short: "Work with configuration files"}, validate)
}

// validation is what was found, for programs: an editor, a pipeline.
type validation struct {
	File     string         `json:"file"`
	Process  config.Process `json:"process"`
	Valid    bool           `json:"valid"`
	Problems []fault        `json:"problems"`
}

// fault is one problem; line and column are 0 for what the environment sets.
type fault struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Setting string `json:"setting,omitempty"`
	Text    string `json:"text"`
}

func newValidation(file string, which config.Process, err error) *validation {
	v := &validation{File: file, Process: which, Valid: err == nil, Problems: []fault{}}
	var all config.Problems
	var one *config.Problem
	switch {
	case err == nil:
	case errors.As(err, &all):
	case errors.As(err, &one):
		all = config.Problems{one}
	default:
		v.Problems = append(v.Problems, fault{File: file, Text: err.Error()})
	}
	for _, p := range all {
		v.Problems = append(v.Problems, fault{p.At.File, p.At.Line, p.At.Column, p.Path, p.Err.Error()})
	}
	return v
}

func (m *Main) validate(file string, which config.Process, asJSON bool) (err error) {
	if which == "" {
		if which, err = config.Detect(file); err != nil {
			return err
		}
	}
	check := m.validateServe
	if which == config.ProxyProcess {
		check = m.validateProxy
	}
	unused, err := check(file)
	for _, name := range unused {
		m.say("certbound: warning: %s is no setting and was ignored", name)
	}
	if asJSON {
		return errors.Join(err, cli.JSON(m.Stdout, newValidation(file, which, err)))
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(m.Stdout, "%s: a valid configuration of certbound %s\n", file, which)
	return err
}

func (m *Main) validateServe(file string) ([]string, error) {
	c, loaded, err := config.LoadServe(file, m.Environ)
	if err == nil {
		err = process.CheckAuthz(c, slog.New(slog.DiscardHandler))
	}
	return loaded.Unused, err
}

func (m *Main) validateProxy(file string) ([]string, error) {
	c, loaded, err := config.LoadProxy(file, m.Environ)
	if err == nil {
		err = process.CheckProxy(c, process.Options{Logger: slog.New(slog.DiscardHandler)})
	}
	return loaded.Unused, err
}
