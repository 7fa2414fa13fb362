package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// profileSeconds is how long a profile is taken.
const profileSeconds = 5

// showProfile loads our server once more while its ops listener takes a CPU
// profile, and prints the functions that used most, callees included.
func (r *rig) showProfile(ctx context.Context, s scenario) error {
	ours, opsAddress := s.ours(r), r.authzOps
	if ours == r.proxy {
		opsAddress = r.proxyOps
	}
	file := filepath.Join(r.dir, s.name+".pprof")
	loading, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		var err error
		for err == nil && loading.Err() == nil {
			_, err = r.turn(loading, s, ours)
		}
		ended <- err
	}()
	err := download(ctx, "http://"+opsAddress+"/debug/pprof/profile?seconds="+strconv.Itoa(profileSeconds), file)
	stop()
	if loadErr := <-ended; err == nil && loading.Err() == nil {
		err = loadErr
	}
	if err != nil {
		return err
	}
	top := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-cum", "-nodecount=60", r.binary, file)
	top.Stdout, top.Stderr = os.Stdout, os.Stderr
	return top.Run()
}

func download(ctx context.Context, address, file string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: 2 * profileSeconds * time.Second}
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %d %s", address, response.StatusCode, text)
	}
	return os.WriteFile(file, text, 0o600)
}
