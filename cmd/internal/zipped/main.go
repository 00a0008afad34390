// Command zipped makes a zip file that depends on the content alone: its files are sorted, their time is SOURCE_DATE_EPOCH
// (seconds since 1970), and their modes are not those of this machine.
//
//	zipped FILE.zip TOP NAME...
//
// Each NAME is a file or a folder. It lies in the folder TOP of the zip under the last element of NAME, a folder with
// everything below it.
package main

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "zipped: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 3 {
		return errors.New("want FILE.zip, TOP and at least one NAME")
	}
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	files, err := collect(args[2:])
	if err != nil {
		return err
	}
	out, err := os.Create(args[0])
	if err != nil {
		return err
	}
	defer out.Close()
	if err := write(out, args[1], files, time.Unix(seconds, 0).UTC()); err != nil {
		return err
	}
	return out.Close()
}

// file is one file of the zip.
type file struct {
	name string // path below the folder TOP, with slashes
	path string // path on this machine
}

// collect lists the files of names, sorted.
func collect(names []string) (list []file, err error) {
	for _, name := range names {
		err := filepath.WalkDir(name, func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			below, err := filepath.Rel(filepath.Dir(filepath.Clean(name)), p)
			list = append(list, file{filepath.ToSlash(below), p})
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(list, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return list, nil
}

// write writes the zip.
func write(to io.Writer, top string, files []file, at time.Time) error {
	z := zip.NewWriter(to)
	for _, f := range files {
		w, err := z.CreateHeader(&zip.FileHeader{Name: path.Join(top, f.name), Method: zip.Deflate, Modified: at})
		if err != nil {
			return err
		}
		b, err := os.ReadFile(f.path)
		if err != nil {
			return err
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return z.Close()
}
