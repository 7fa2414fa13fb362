package registration

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// position is a place in the text of a registration.
type position struct{ line, column int }

// positions remembers where each member of a registration was read. It is nil
// for one made by code.
type positions map[string]position

// deepest is how far positions go: clients[0].jwks.keys[0] and no further.
const deepest = 6

func readPositions(body ast.Node) positions {
	p := positions{}
	p.read("", body, 0)
	return p
}

func (p positions) read(path string, n ast.Node, depth int) {
	if anchor, ok := n.(*ast.AnchorNode); ok {
		n = anchor.Value
	}
	if depth > deepest || n == nil {
		return
	}
	switch n := n.(type) {
	case *ast.SequenceNode:
		for i, item := range n.Values {
			child := fmt.Sprintf("%s[%d]", path, i)
			p.note(child, first(item))
			p.read(child, item, depth+1)
		}
	case ast.MapNode:
		for it := n.MapRange(); it.Next(); {
			child := strings.TrimPrefix(path+"."+it.Key().GetToken().Value, ".")
			p.note(child, it.Key())
			p.read(child, it.Value(), depth+1)
		}
	}
}

// first is what people take for the beginning of a node: of a block mapping its
// first key, where its token is the first colon.
func first(n ast.Node) ast.Node {
	if m, ok := n.(ast.MapNode); ok {
		if it := m.MapRange(); it.Next() {
			return it.Key()
		}
	}
	return n
}

func (p positions) note(path string, n ast.Node) {
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return
	}
	at := n.GetToken().Position
	p[path] = position{at.Line, at.Column}
}

// locate returns where path was read, or the nearest record or list around it.
func (p positions) locate(path string) position {
	for {
		if at, ok := p[path]; ok {
			return at
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			return position{}
		}
		path = path[:i]
	}
}
