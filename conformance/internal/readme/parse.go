// Package readme runs the commands of a Markdown page and compares what they
// print with what the page shows. The conventions stand in CONTRIBUTING.md: a
// block tagged `console` shows a session, a block tagged `sh` is a script that
// must end with 0, other blocks are text.
package readme

import (
	"fmt"
	"strings"
)

// Command is one command of a page.
type Command struct {
	Line       int    // in the page, from 1
	Text       string // what is given to the shell, continuation lines included
	Output     string // what the page shows; compared only when Shown
	Shown      bool
	Background bool // started, and left running until the end of the page
	Opens      bool // the first of its block, which starts in the checkout's top directory
}

// Parse finds the commands of a page, in order.
func Parse(page string) ([]Command, error) {
	var (
		commands []Command
		block    []string
		tag      string // of the open block
		fence    string // what closes it; empty outside of blocks
		began    int
	)
	for i, line := range strings.Split(page, "\n") {
		trimmed := strings.TrimSpace(line)
		switch {
		case fence == "" && strings.HasPrefix(trimmed, "```"):
			tag = strings.TrimLeft(trimmed, "`")
			fence = trimmed[:len(trimmed)-len(tag)]
			block, began = nil, i+2
		case fence != "" && trimmed == fence:
			found, err := parseBlock(tag, block, began)
			if err != nil {
				return nil, err
			}
			commands = append(commands, found...)
			fence = ""
		case fence != "":
			block = append(block, line)
		}
	}
	if fence != "" {
		return nil, fmt.Errorf("readme: line %d: the block is not closed", began-1)
	}
	return commands, nil
}

func parseBlock(tag string, lines []string, first int) ([]Command, error) {
	switch tag {
	case "sh":
		return []Command{{Line: first, Text: strings.Join(lines, "\n"), Opens: true}}, nil
	case "console":
		return parseSession(lines, first)
	}
	return nil, nil
}

// parseSession reads "$ command", its "> continuation" lines, and its output.
func parseSession(lines []string, first int) ([]Command, error) {
	var commands []Command
	for i, line := range lines {
		if text, ok := strings.CutPrefix(line, "$ "); ok {
			commands = append(commands, Command{Line: first + i, Text: text, Opens: len(commands) == 0})
			continue
		}
		if len(commands) == 0 {
			return nil, fmt.Errorf("readme: line %d: output before the first command; begin commands with \"$ \"", first+i)
		}
		last := &commands[len(commands)-1]
		if text, ok := strings.CutPrefix(line, "> "); ok && !last.Shown && strings.HasSuffix(last.Text, `\`) {
			last.Text += "\n" + text
			continue
		}
		last.Output += line + "\n"
		last.Shown = true
	}
	for i := range commands {
		commands[i].finish()
	}
	return commands, nil
}

// finish settles what is known only when the command is complete.
func (c *Command) finish() {
	c.Shown = strings.TrimSpace(c.Output) != ""
	text := strings.TrimSpace(c.Text)
	if before, ok := strings.CutSuffix(text, " &"); ok {
		c.Text, c.Background = before, true
	}
	if strings.Contains(text, "certbound dev") {
		c.Background = true
	}
}
