package tokenclient

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
)

// CertificateSource supplies the client's certificate as it is now. [Files] is
// one; a program with a hardware module or a workload API brings its own.
type CertificateSource interface {
	// Certificate is called before each use and must be quick. An error keeps the
	// last certificate in use.
	Certificate() (*tls.Certificate, error)
}

// Files is a certificate with its chain and its key in PEM files. They are read
// again when one of them has changed, or has been replaced as Kubernetes does it,
// by swapping a link. Make one with [NewFiles]; it is safe for use by many
// goroutines.
type Files struct {
	certificate, key string

	mu     sync.Mutex
	seen   [2]os.FileInfo // what loaded, or err, is of
	loaded *tls.Certificate
	err    error
}

// NewFiles names the files. The key must be readable by this program only.
func NewFiles(certificate, key string) *Files { return &Files{certificate: certificate, key: key} }

// Certificate returns the pair that is in the files now. While they do not fit
// each other, because one of them is just being written, that is an error.
func (f *Files) Certificate() (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var now [2]os.FileInfo
	for i, name := range []string{f.certificate, f.key} {
		info, err := os.Stat(name)
		if err != nil {
			return nil, fmt.Errorf("tokenclient: %w", err)
		}
		now[i] = info
	}
	if unchanged(f.seen[0], now[0]) && unchanged(f.seen[1], now[1]) {
		return f.loaded, f.err
	}
	// Looked at before they are read: what is written in between is seen next time.
	pair, err := tls.LoadX509KeyPair(f.certificate, f.key)
	f.seen, f.loaded, f.err = now, &pair, nil
	if err != nil {
		f.loaded, f.err = nil, fmt.Errorf("tokenclient: %s and %s: %w", f.certificate, f.key, err)
	}
	return f.loaded, f.err
}

func unchanged(before, now os.FileInfo) bool {
	return before != nil && os.SameFile(before, now) && before.Size() == now.Size() && before.ModTime().Equal(now.ModTime())
}

// fixed is a certificate that never changes.
type fixed struct{ certificate tls.Certificate }

func (f *fixed) Certificate() (*tls.Certificate, error) { return &f.certificate, nil }
