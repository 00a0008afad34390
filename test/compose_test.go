package test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// compose holds the parts of a compose file that these tests read.
type compose struct {
	Services map[string]struct {
		Image     string
		Command   []string
		Profiles  []string
		Ports     []string
		Volumes   []string
		Secrets   []string
		Tmpfs     []string
		CapDrop   []string `yaml:"cap_drop"`
		ReadOnly  bool     `yaml:"read_only"`
		DependsOn any      `yaml:"depends_on"`
		Build     *struct {
			Context          string
			Dockerfile       string
			DockerfileInline string `yaml:"dockerfile_inline"`
		}
	}
	Volumes map[string]any
	Secrets map[string]struct{ File string }
}

// readCompose reads a compose file and checks what must hold for each: what a service names exists, in the file or beside
// it.
func readCompose(t *testing.T, path string) compose {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var c compose
	if err := yaml.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	for name, s := range c.Services {
		for _, secret := range s.Secrets {
			if c.Secrets[secret].File == "" {
				t.Errorf("%s: %s: no secret %s", path, name, secret)
			}
		}
		for _, v := range s.Volumes {
			from, _, _ := strings.Cut(v, ":")
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), from)); strings.HasPrefix(from, ".") && err != nil {
				t.Errorf("%s: %s: %v", path, name, err)
			}
			if _, ok := c.Volumes[from]; !strings.HasPrefix(from, ".") && !ok {
				t.Errorf("%s: %s: no volume %s", path, name, from)
			}
		}
		if b := s.Build; b != nil && b.Dockerfile != "" {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), b.Context, b.Dockerfile)); err != nil {
				t.Errorf("%s: %s: %v", path, name, err)
			}
		}
	}
	return c
}

// TestCompose_Cluster checks the compose file of two daemons. It can't be run where these tests run.
func TestCompose_Cluster(t *testing.T) {
	const path = "../conf/container/cluster/compose.yaml"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if head, _, _ := strings.Cut(string(text), "\n\n"); !strings.Contains(strings.ReplaceAll(head, "\n# ", " "), "could not be tried where this project is tested, which has no Docker") {
		t.Error("it does not say that it could not be tried")
	}
	c := readCompose(t, path)
	one, two, valkey, client := c.Services["one"], c.Services["two"], c.Services["valkey"], c.Services["radclient"]
	if len(c.Services) != 4 {
		t.Errorf("%d services; want one, two, valkey and radclient", len(c.Services))
	}
	if slices.Equal(one.Ports, two.Ports) || slices.Equal(one.Volumes, two.Volumes) {
		t.Error("the daemons share a port or a folder of state")
	}
	for name, s := range map[string]struct {
		readOnly bool
		caps     []string
		secrets  []string
	}{"one": {one.ReadOnly, one.CapDrop, one.Secrets}, "two": {two.ReadOnly, two.CapDrop, two.Secrets}} {
		if !s.readOnly || !slices.Contains(s.caps, "ALL") || !slices.Contains(s.secrets, "cluster.key") {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if !strings.HasPrefix(valkey.Image, "valkey/valkey:") || !slices.Contains(valkey.Command, "noeviction") || len(valkey.Ports) > 0 {
		t.Errorf("valkey: %+v", valkey)
	}
	if !slices.Contains(client.Profiles, "try") || !strings.Contains(client.Build.DockerfileInline, "radclient") {
		t.Errorf("radclient: %+v", client)
	}
	// Its first lines say what to add to the configuration. That must be valid.
	for _, want := range []string{`[cluster] url = "redis://valkey:6379"`, `key_file = "/run/secrets/cluster.key"`, "duoradiusd cluster key"} {
		if !strings.Contains(strings.ReplaceAll(string(text), "\n#      ", " "), want) {
			t.Errorf("it does not say %s", want)
		}
	}
}

// TestCompose checks the compose file of one daemon.
func TestCompose(t *testing.T) {
	c := readCompose(t, "../conf/container/compose.yaml")
	if s := c.Services["duoradiusd"]; !s.ReadOnly || !slices.Contains(s.CapDrop, "ALL") || len(s.Ports) != 1 {
		t.Errorf("%+v", s)
	}
}
