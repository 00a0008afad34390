package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"duoradiusd/cmd/internal/authproxy"
	"duoradiusd/cmd/internal/checkup"
)

// errUndecided is the error of an import that is complete but leaves something for a person to decide.
var errUndecided = errors.New("something is left to decide")

type importFlags struct {
	output, secrets string
	force, authAPI  bool
}

func importCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "import AUTHPROXY.CFG",
		Short: "Make a configuration of the authproxy.cfg of Duo's Authentication Proxy",
		Long: `Reads the authproxy.cfg of Duo's Authentication Proxy and writes a duoradiusd.toml with the same meaning, to
standard output or to --output. Each key says in a comment which option it was made of. What means something
else here, what was left out, and what a person must decide stands in comments too ("DECIDE:"), and all of it
in a summary on standard error.

The secrets of the file stand in the output, which --output makes readable for you only; with --secrets-dir
each goes into a file of its own. Secrets that Duo's proxy has encrypted (skey_protected and the like) can't
be read: the output names a file for each, which you have to make. Nothing is sent anywhere, and no file is
overwritten without --force.

The exit status is
  0  all is done: the output means the same, and duoradiusd check --offline has nothing against it
  1  nothing was written, because the authproxy.cfg has problems; each is a line FILE:LINE: found; wanted
  2  the command line is wrong
  3  the output is written, but something is left to decide or to bring before it can be used`,
		Example: `  duoradiusd import authproxy.cfg                                  have a look
  duoradiusd import authproxy.cfg -o /etc/duoradiusd/duoradiusd.toml
  duoradiusd import authproxy.cfg -o duoradiusd.toml --secrets-dir secrets`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("import needs one AUTHPROXY.CFG")}
			}
			return nil
		},
	}
	var f importFlags
	c.Flags().StringVarP(&f.output, "output", "o", "", "write to `FILE` instead of standard output")
	c.Flags().StringVar(&f.secrets, "secrets-dir", "", "write each secret to a file of its own in `DIR`")
	c.Flags().BoolVarP(&f.force, "force", "f", false, "overwrite files that are there")
	c.Flags().BoolVar(&f.authAPI, "auth-api", false, `the keys belong to applications of the type "Auth API": do not ask`)
	c.MarkFlagFilename("output", "toml")
	c.MarkFlagDirname("secrets-dir")
	c.RunE = func(c *cobra.Command, args []string) error { return runImport(c, args[0], f) }
	return c
}

func runImport(c *cobra.Command, file string, f importFlags) error {
	errs := c.ErrOrStderr()
	text, err := readConfig(file)
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	o := authproxy.Options{AuthAPI: f.authAPI}
	if o.Secrets, err = f.secretsPath(); err != nil {
		return fmt.Errorf("import: %w", err)
	}
	r, err := authproxy.Import(file, text, o)
	if err != nil {
		fmt.Fprintln(errs, err)
		return errSaid
	}
	if err := f.write(c.OutOrStdout(), r); err != nil {
		return fmt.Errorf("import: %w", err)
	}
	fmt.Fprint(errs, r.Summary)
	fmt.Fprintln(errs)
	ready := r.Decisions == 0
	if f.output == "" {
		if r.Inline {
			fmt.Fprintln(errs, "The output holds secrets: keep it where nobody else can read it.")
		}
	} else {
		fmt.Fprintf(errs, "%s is written, readable for you only; the daemon's user must be able to read it.\n", f.output)
		ready = readyToUse(c, f.output) && ready
	}
	if !ready {
		return errUndecided
	}
	return nil
}

// readyToUse runs check --offline on the output and prints what it says.
func readyToUse(c *cobra.Command, file string) bool {
	errs := c.ErrOrStderr()
	fmt.Fprintf(errs, "\nduoradiusd check --offline --config %s says:\n", file)
	t := &tally{out: errs, waiting: io.Discard}
	if t.run(c.Context(), c, file, checkup.Options{Offline: true}) != nil {
		return false
	}
	fmt.Fprintf(errs, "Next: duoradiusd check --config %s\n", file)
	return true
}

func readConfig(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, authproxy.MaxSize+1))
}

// secretsPath returns the folder of the secrets as the output must name it: relative to the folder of the output, if that is
// known.
func (f importFlags) secretsPath() (string, error) {
	if f.secrets == "" {
		return "", nil
	}
	abs, err := filepath.Abs(f.secrets)
	if err != nil || f.output == "" || filepath.IsAbs(f.secrets) {
		return abs, err
	}
	from, err := filepath.Abs(filepath.Dir(f.output))
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(from, abs)
	if err != nil {
		return abs, nil
	}
	return rel, nil
}

// write writes the files of the secrets, and after them the configuration that names them.
func (f importFlags) write(stdout io.Writer, r *authproxy.Result) error {
	type file struct{ path, content string }
	var files []file
	for _, s := range r.Files {
		files = append(files, file{filepath.Join(f.secrets, s.Name), s.Content + "\n"})
	}
	if f.output != "" {
		files = append(files, file{f.output, r.TOML})
	}
	for _, x := range files {
		if _, err := os.Lstat(x.path); err == nil && !f.force {
			return fmt.Errorf("%s is there already; nothing is written without --force", x.path)
		}
	}
	if len(r.Files) > 0 {
		if err := os.MkdirAll(f.secrets, 0o700); err != nil {
			return err
		}
	}
	for _, x := range files {
		if err := writePrivate(x.path, x.content, f.force); err != nil {
			return err
		}
	}
	if f.output == "" {
		_, err := io.WriteString(stdout, r.TOML)
		return err
	}
	return nil
}

// writePrivate writes a file that only its owner can read. The file is there as a whole or not at all.
func writePrivate(path, content string, overwrite bool) error {
	t, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(t.Name())
	_, err = t.WriteString(content)
	if err = errors.Join(err, t.Sync(), t.Close()); err != nil {
		return err
	}
	if overwrite {
		return os.Rename(t.Name(), path)
	}
	return os.Link(t.Name(), path) // unlike Rename, fails if a file of this name has come into being
}
