// Command zipped makes a zip file that is the same for the same content: its files are sorted, and have the time that
// SOURCE_DATE_EPOCH says, in seconds since 1970, and none of the modes of the machine that they come from.
//
//	zipped FILE.zip TOP NAME...
//
// Each NAME is a file, which lies in the folder TOP of the zip by its last element, or a folder, which lies there with
// its own last element and all below it.
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
	name string // below the top folder, with slashes
	path string // where it comes from
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
