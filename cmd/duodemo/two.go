package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/alicebob/miniredis/v2"

	"duoradiusd/policy/shared"
	"duoradiusd/test/nas"
)

// writeCluster adds [cluster] to the configuration where daemons share a store.
func (d *desk) writeCluster(file string) error {
	if d.shared == "" {
		return nil
	}
	key := filepath.Join(d.folder, "cluster.key")
	if _, err := os.Stat(key); errors.Is(err, os.ErrNotExist) {
		text, err := shared.NewKeyFile(nil)
		if err != nil {
			return err
		}
		if err := os.WriteFile(key, text, 0o600); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "\n[cluster]\nurl = \"redis://%s\"\nkey_file = \"cluster.key\"\n", d.shared)
	return errors.Join(err, f.Close())
}

// demoTwo shows a VPN that asks its second server while the first one waits for the user.
func demoTwo(ctx context.Context, out, logs io.Writer) error {
	store := miniredis.NewMiniRedis()
	if err := store.Start(); err != nil {
		return err
	}
	defer store.Close()
	one, err := open(logs)
	if err != nil {
		return err
	}
	defer one.close()
	now, cancel := context.WithCancel(context.Background())
	cancel()
	one.daemon.Shutdown(now) // it was alone
	one.shared = store.Addr()
	if err := one.startDaemon(); err != nil {
		return err
	}
	two := *one
	if err := two.startDaemon(); err != nil {
		return err
	}
	defer two.daemon.Shutdown(now)
	fmt.Fprintf(out, "Two daemons, on %s and %s, share a Redis inside this program.\n", one.radius, two.radius)

	s := scene{"", "alice", "wonderland", nas.CodeAccessAccept}
	first := make(chan byte, 1)
	go func() {
		code, _ := one.play(ctx, s)
		first <- code
	}()
	time.Sleep(300 * time.Millisecond)
	fmt.Fprintf(out, "The VPN has asked the first one, the phone rings, and the VPN asks the second one.\n")
	second, _ := two.play(ctx, s)
	a := <-first
	fmt.Fprintf(out, "first: %s, second: %s; phones that rang: %d\n", codeName(a), codeName(second), one.duo.Pushes())
	if a != s.want || second != s.want || one.duo.Pushes() != 1 {
		return errUnexpected
	}
	return nil
}
