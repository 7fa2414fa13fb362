package registry

import (
	"errors"
	"sync"
)

// maxRemembered bounds each kind of record of a view; a client takes about a
// kilobyte.
const maxRemembered = 20_000

// errDenied keeps the answer "denied" out of memory.
var errDenied = errors.New("registry: denied")

// memory is a bounded map that is filled on demand. The zero value is empty.
type memory[K comparable, V any] struct {
	mu   sync.RWMutex
	held map[K]V
}

// get returns what is held under key, or what read returns, which is then held
// unless it failed. Two that ask at once may both read.
func (m *memory[K, V]) get(key K, read func() (V, error)) (V, error) {
	m.mu.RLock()
	value, ok := m.held[key]
	m.mu.RUnlock()
	if ok {
		return value, nil
	}
	value, err := read()
	if err != nil {
		return value, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.held == nil {
		m.held = make(map[K]V)
	}
	if len(m.held) >= maxRemembered {
		for other := range m.held { // any: the order of a map is random
			delete(m.held, other)
			break
		}
	}
	m.held[key] = value
	return value, nil
}
