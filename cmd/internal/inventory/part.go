package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
)

// part is a module that a program is made of, or Go's standard library.
type part struct {
	path    string
	version string
	sum     string // as in go.sum; "" for the standard library
	licence string // by its SPDX name
	texts   []text
}

// text is a file of a part that speaks of its licence.
type text struct {
	name string
	text string
}

// partsOf lists the parts of a program, the standard library last. Each must have a licence that is known.
func partsOf(info *debug.BuildInfo) ([]part, error) {
	var parts []part
	var names []string
	for _, m := range info.Deps {
		if m.Replace != nil {
			return nil, fmt.Errorf("%s: replaced by %s, which is not what it says", m.Path, m.Replace.Path)
		}
		parts = append(parts, part{path: m.Path, version: m.Version, sum: m.Sum})
		names = append(names, m.Path)
	}
	folders, err := folders(names)
	if err != nil {
		return nil, err
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env GOROOT: %w", err)
	}
	parts = append(parts, part{path: "std", version: strings.TrimPrefix(info.GoVersion, "go")})
	folders["std@"+strings.TrimPrefix(info.GoVersion, "go")] = strings.TrimSpace(string(goroot))
	for i := range parts {
		p := &parts[i]
		if err := p.read(folders[p.path+"@"+p.version]); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

// folders returns where the source of modules is, by PATH@VERSION.
func folders(names []string) (map[string]string, error) {
	if len(names) == 0 {
		return map[string]string{}, nil
	}
	out, err := exec.Command("go", append([]string{"list", "-m", "-json=Path,Version,Dir"}, names...)...).Output()
	if err != nil {
		return nil, fmt.Errorf("go list -m: %w", err)
	}
	byName := make(map[string]string)
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var m struct{ Path, Version, Dir string }
		switch err := d.Decode(&m); {
		case errors.Is(err, io.EOF):
			return byName, nil
		case err != nil:
			return nil, fmt.Errorf("go list -m: %w", err)
		}
		byName[m.Path+"@"+m.Version] = m.Dir
	}
}

var aboutLicence = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)(\.(txt|md))?$`)

// read reads a part's licence in the folder of its source.
func (p *part) read(folder string) error {
	if folder == "" {
		return fmt.Errorf("%s %s: no source", p.path, p.version)
	}
	files, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.IsDir() || !aboutLicence.MatchString(f.Name()) {
			continue
		}
		b, err := os.ReadFile(filepath.Join(folder, f.Name()))
		if err != nil {
			return err
		}
		p.texts = append(p.texts, text{f.Name(), string(b)})
		p.licence = cmp.Or(p.licence, licenceOf(string(b)))
	}
	if p.licence == "" {
		return fmt.Errorf("%s %s: no licence that is known", p.path, p.version)
	}
	return nil
}

// licences are told by what only they say, in this order.
var licences = []struct {
	name  string
	words []string
}{
	{"Apache-2.0", []string{"Apache License", "Version 2.0, January 2004"}},
	{"MPL-2.0", []string{"Mozilla Public License", "ersion 2.0", "Source Code Form"}},
	{"BSD-3-Clause", []string{"Redistribution and use in source and binary forms", "endorse or promote products"}},
	{"BSD-2-Clause", []string{"Redistribution and use in source and binary forms"}},
	{"ISC", []string{"Permission to use, copy, modify, and/or distribute this software for any purpose"}},
	{"MIT", []string{"Permission is hereby granted, free of charge", "The above copyright notice and this permission notice"}},
}

// licenceOf returns the SPDX name of the licence whose text it is; "" for another.
func licenceOf(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	for _, l := range licences {
		if !slices.ContainsFunc(l.words, func(w string) bool { return !strings.Contains(text, w) }) {
			return l.name
		}
	}
	return ""
}
