package test

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// dialogue is a program that asks questions on its output and reads the answers from its input.
type dialogue struct {
	t     testing.TB
	name  string
	cmd   *exec.Cmd
	in    io.WriteCloser
	ended chan struct{} // closed when the program has ended and said holds all its output

	mu      sync.Mutex // guards the fields below
	said    string
	heard   int // how much of said was read, up to the last question
	changed chan struct{}
}

// converse starts c, and ends it with the test.
func converse(t testing.TB, name string, c *exec.Cmd) *dialogue {
	t.Helper()
	p := &dialogue{t: t, name: name, cmd: c, ended: make(chan struct{}), changed: make(chan struct{})}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Stdout, c.Stderr = w, w
	tie(c)
	if p.in, err = c.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	err = c.Start()
	w.Close()
	if err != nil {
		r.Close()
		t.Fatal(err)
	}
	go p.listen(r)
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.ended
		if t.Failed() {
			t.Logf("what %s said:\n%s", name, p.all())
		}
	})
	return p
}

func (p *dialogue) listen(r *os.File) {
	defer close(p.ended)
	defer r.Close()
	for b := make([]byte, 4096); ; {
		n, err := r.Read(b)
		p.mu.Lock()
		p.said += string(b[:n])
		close(p.changed)
		p.changed = make(chan struct{})
		p.mu.Unlock()
		if err != nil {
			p.cmd.Wait()
			return
		}
	}
}

func (p *dialogue) all() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said
}

// await waits until the program prints one of what, after the text of the last await. It returns which, or -1 if it prints
// none.
func (p *dialogue) await(what ...string) (which int) {
	late := time.NewTimer(patience)
	defer late.Stop()
	for last := false; ; {
		which, changed := p.hears(what)
		if which >= 0 || last {
			return which
		}
		select {
		case <-changed:
		case <-p.ended:
			last = true
		case <-late.C:
			return -1
		}
	}
}

func (p *dialogue) hears(what []string) (which int, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for which, w := range what {
		if i := strings.Index(p.said[p.heard:], w); i >= 0 {
			p.heard += i + len(w)
			return which, nil
		}
	}
	return -1, p.changed
}

// answer waits for a question and types an answer.
func (p *dialogue) answer(question, answer string) {
	p.t.Helper()
	if p.await(question) < 0 {
		p.t.Fatalf("%s never asks %q", p.name, question)
	}
	if _, err := io.WriteString(p.in, answer+"\n"); err != nil {
		p.t.Fatalf("answering %s: %v", p.name, err)
	}
}

// status waits for the program's end and returns its exit status.
func (p *dialogue) status() int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Fatalf("%s does not end", p.name)
	}
	return p.cmd.ProcessState.ExitCode()
}
