package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"duoradiusd/internal/display"
	"duoradiusd/internal/system"
	"duoradiusd/policy/shared"
)

func clusterCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "cluster",
		Short: "Several daemons that act as one: the key file, and how they are",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(clusterKeyCommand(), clusterStatusCommand())
	return c
}

func clusterKeyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "key FILE",
		Short: "Make the key file of a cluster, or put a new key into it",
		Long: `Makes FILE, the key_file of [cluster], with mode 0600. All daemons of a cluster need the same file. A file
that is there already stays as it is.

With --rotate, FILE gets a new key in front: the first key seals, and all open. Copy the file to every daemon
and restart one after the other. The last line also makes the names in the store: as long as it stays, pushes,
challenges and approvals go on. When you take it away, approvals begin anew.`,
		Example: `  duoradiusd cluster key /etc/duoradiusd/cluster.key`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{errors.New("cluster key needs one FILE")}
			}
			return nil
		},
	}
	rotate := c.Flags().Bool("rotate", false, "put a new key in front of those in FILE")
	c.RunE = func(c *cobra.Command, args []string) error {
		var err error
		if *rotate {
			err = rotateKeyFile(args[0])
		} else {
			err = makeKeyFile(args[0])
		}
		if err != nil {
			return fmt.Errorf("cluster key: %w", err)
		}
		fmt.Fprintf(c.OutOrStdout(), "%s has a new key. Give every daemon of the cluster the same file; the daemon's user must be able to read it.\n", args[0])
		return nil
	}
	return c
}

func makeKeyFile(path string) error {
	text, err := shared.NewKeyFile(nil)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s is there already, and stays as it is; --rotate puts a new key in front", path)
	}
	if err != nil {
		return err
	}
	return closed(f, text)
}

// rotateKeyFile puts a new key in front of the keys in the file. It replaces the file as a whole, so that a daemon reads the old
// file or the new one.
func rotateKeyFile(path string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text, err := shared.NewKeyFile(old)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	before, err := os.Stat(path)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".cluster-key-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := system.KeepAccess(f, path, before); err != nil {
		f.Close()
		return err
	}
	if err := closed(f, text); err != nil {
		return err
	}
	return system.Rename(f.Name(), path)
}

func closed(f *os.File, text []byte) error {
	_, err := f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}

func clusterStatusCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "status",
		Short: "Show the store that the daemons share, and which daemons live",
		Long: `Shows the server that the running daemon keeps shared state on, how long an operation takes, and every daemon
that has been heard of in the last ten seconds: its version, how far its clock is off the server's, and whether
its configuration has the same [[client]] names. Names that differ keep logins from being joined.`,
		Args: noArgs,
	}
	running := controlFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return show(c, running, "/cluster", printCluster)
	}
	return c
}

func printCluster(out io.Writer, s shared.Status) error {
	w := table(out)
	state := "answers in " + s.Latency.Round(10*time.Microsecond).String()
	if !s.Up {
		state = "can't be asked: " + display.Visible(s.Error)
	}
	fmt.Fprintf(w, "store\t%s\n", state)
	if s.Server.Version != "" { // not while it is down, and not where the access list has no INFO
		fmt.Fprintf(w, "server\t%s %s, %s\n", s.Server.Kind, s.Server.Version, s.Server.Role)
		fmt.Fprintf(w, "memory\t%s at most, %s\n", s.Server.MaxMemory, s.Server.MaxMemoryPolicy)
		fmt.Fprintf(w, "persistence\t%s\n", s.Server.Persistence)
	}
	fmt.Fprintf(w, "when it is down\t%s\n", s.WhenDown)
	fmt.Fprintf(w, "could not be asked\t%s\n", display.Count(int(s.Failures), "time"))
	fmt.Fprintf(w, "pushes\t%d taken over, %d lost\n", s.TakenOver, s.Lost)
	for _, warning := range s.Server.Warnings() {
		fmt.Fprintf(w, "warning\t%s\n", warning)
	}
	mine := ""
	for _, p := range s.Peers {
		if p.Self {
			mine = p.Clients
		}
	}
	for _, p := range s.Peers {
		line := fmt.Sprintf("version %s, clock %s", p.Version, skew(p.Skew))
		if p.Self {
			line += ", asked here"
		} else if mine != "" && p.Clients != mine {
			line += ", OTHER [[client]] NAMES: its logins are not joined"
		}
		fmt.Fprintf(w, "daemon %s\t%s\n", display.Visible(p.Host), line)
	}
	return w.Flush()
}

func skew(d time.Duration) string {
	d = d.Round(time.Millisecond)
	switch {
	case d == 0:
		return "as the server's"
	case d < 0:
		return (-d).String() + " behind the server's"
	}
	return d.String() + " ahead of the server's"
}
