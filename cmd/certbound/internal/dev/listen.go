package dev

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/certbound/certbound/cmd/certbound/internal/process"
)

// listeners are opened before anything else is made, because the issuer and the
// audience carry their ports.
type listeners struct{ authz, proxy, admin, ops, upstream net.Listener }

func (s *Server) listen(ctx context.Context) (*listeners, error) {
	var l listeners
	all := []struct {
		flag, address string
		into          *net.Listener
	}{
		{"--authz-addr", s.options.AuthzAddr, &l.authz},
		{"--proxy-addr", s.options.ProxyAddr, &l.proxy},
		{"--admin-addr", s.options.AdminAddr, &l.admin},
		{"--ops-addr", s.options.OpsAddr, &l.ops},
		{"", "127.0.0.1:0", &l.upstream},
	}
	for i, one := range all { // a mistake of ours comes before what others listen at
		var err error
		if all[i].address, err = Loopback(one.flag, one.address); err != nil {
			return nil, err
		}
	}
	for _, one := range all {
		listener, err := process.Listen(ctx, one.address)
		if err != nil {
			return nil, fmt.Errorf("dev: %s: %w (port 0 picks a free one)", one.flag, err)
		}
		s.cleanups = append(s.cleanups, func() error { return ignoreClosed(listener.Close()) })
		*one.into = listener
	}
	return &l, nil
}

// ignoreClosed: a listener that was served has been closed by its server.
func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
