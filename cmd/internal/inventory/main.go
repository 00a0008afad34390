// Command inventory says what a built program is made of: its modules, by the build information that it carries, and
// their licences, by the source that the module cache has. It runs in the module's folder. The packages contain what it
// prints.
//
//	inventory licences PROGRAM       every licence, with its text
//	inventory sbom PROGRAM VERSION   a CycloneDX 1.6 bill of materials, the same for the same build
package main

import (
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"os"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "inventory: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	usage := errors.New("want licences PROGRAM, or sbom PROGRAM VERSION")
	if len(args) < 2 {
		return usage
	}
	info, err := buildinfo.ReadFile(args[1])
	if err != nil {
		return err
	}
	parts, err := partsOf(info)
	if err != nil {
		return err
	}
	switch {
	case args[0] == "licences" && len(args) == 2:
		return printLicences(out, info, parts)
	case args[0] == "sbom" && len(args) == 3:
		return printSBOM(out, info, args[2], parts)
	}
	return usage
}
