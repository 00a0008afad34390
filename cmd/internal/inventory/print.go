package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
)

// ourLicence is the licence of the program itself; see LICENSE.
const ourLicence = "Apache-2.0"

func printLicences(out io.Writer, info *debug.BuildInfo, parts []part) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s is under the %s licence. It contains, with the licences that follow:\n\n", info.Main.Path, ourLicence)
	for _, p := range parts {
		fmt.Fprintf(&b, "  %-48s %-40s %s\n", p.path, p.version, p.licence)
	}
	b.WriteString("\nThe source of each is where its name says, and comes unchanged by: go mod download NAME@VERSION\n" +
		"\"std\" is Go's standard library, https://go.dev.\n")
	for _, p := range parts {
		for _, t := range p.texts {
			title := fmt.Sprintf("%s %s: %s", p.path, p.version, t.name)
			fmt.Fprintf(&b, "\n%s\n%s\n%s\n\n%s\n", strings.Repeat("=", 100), title, strings.Repeat("=", 100), strings.TrimSpace(t.text))
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// The parts of CycloneDX 1.6 that are used here.
type (
	bom struct {
		Schema       string       `json:"$schema"`
		Format       string       `json:"bomFormat"`
		SpecVersion  string       `json:"specVersion"`
		Version      int          `json:"version"`
		Metadata     metadata     `json:"metadata"`
		Components   []component  `json:"components"`
		Dependencies []dependency `json:"dependencies"`
	}
	metadata struct {
		Component component `json:"component"`
	}
	component struct {
		Ref        string     `json:"bom-ref"`
		Type       string     `json:"type"`
		Name       string     `json:"name"`
		Version    string     `json:"version"`
		Licences   []licensed `json:"licenses"`
		PURL       string     `json:"purl"`
		Properties []property `json:"properties,omitempty"`
	}
	licensed struct {
		Licence struct {
			ID string `json:"id"`
		} `json:"license"`
	}
	property struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	dependency struct {
		Ref       string   `json:"ref"`
		DependsOn []string `json:"dependsOn"`
	}
)

// printSBOM leaves out when it was made and by whom, so that the same build has the same bill.
func printSBOM(out io.Writer, info *debug.BuildInfo, version string, parts []part) error {
	main := newComponent("application", info.Main.Path, version, ourLicence)
	for _, s := range info.Settings {
		main.Properties = append(main.Properties, property{"go:build:" + s.Key, s.Value})
	}
	b := bom{
		Schema:      "http://cyclonedx.org/schema/bom-1.6.schema.json",
		Format:      "CycloneDX",
		SpecVersion: "1.6",
		Version:     1,
		Metadata:    metadata{main},
	}
	all := dependency{Ref: main.Ref}
	for _, p := range parts {
		c := newComponent("library", p.path, p.version, p.licence)
		if p.sum != "" {
			c.Properties = []property{{"go:sum", p.sum}}
		}
		b.Components = append(b.Components, c)
		all.DependsOn = append(all.DependsOn, c.Ref)
	}
	b.Dependencies = []dependency{all}
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(b)
}

func newComponent(kind, path, version, licence string) component {
	purl := "pkg:golang/" + strings.ToLower(path) + "@" + strings.ReplaceAll(version, "+", "%2B")
	c := component{Ref: purl, Type: kind, Name: path, Version: version, PURL: purl, Licences: make([]licensed, 1)}
	c.Licences[0].Licence.ID = licence
	return c
}
