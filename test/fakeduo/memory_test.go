package fakeduo_test

import (
	"testing"
	"testing/synctest"
	"time"

	"duoradiusd/test/fakeduo"
)

func TestMemory(t *testing.T) {
	s := started(t, fakeduo.Config{})
	s.SetUser(fakeduo.User{Username: "jo", Preauth: "allow"})
	c := client(t, s, true)
	resp, err := c.Do(overNet(signed(s, "POST", "/auth/v2/preauth", params("username", "jo", "ipaddr", "192.0.2.1"))))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if _, _, err := get(c, s); err != nil {
		t.Fatal(err)
	}
	all := s.Requests()
	if len(all) != 2 {
		t.Fatalf("got %d requests, want 2", len(all))
	}
	r := all[0]
	if r.Method != "POST" || r.Path != "/auth/v2/preauth" || r.Proto != "HTTP/2.0" || r.Params.Get("ipaddr") != "192.0.2.1" ||
		r.ContentLength != int64(len("username=jo&ipaddr=192.0.2.1")) || len(r.TransferEncoding) != 0 ||
		r.Date == "" || r.Authorization == "" || r.ContentType != "application/x-www-form-urlencoded" ||
		r.Status != 200 || r.Code != 0 || r.Conn == 0 || time.Since(r.Time) > time.Minute {
		t.Errorf("got %+v", r)
	}
	if all[1].Conn != r.Conn {
		t.Errorf("connections: got %d and %d, want one", r.Conn, all[1].Conn)
	}
	if allows := s.Allows(); len(allows) != 1 || allows[0].Username != "jo" || allows[0].Via != "preauth" {
		t.Errorf("allows: got %+v", allows)
	}
	if got := [3]int{s.Count("/auth/v2/preauth"), s.Count("/auth/v2/auth"), s.Count("")}; got != [3]int{1, 0, 2} {
		t.Errorf("counts: got %v", got)
	}
	s.Forget()
	if s.Count("") != 0 || len(s.Requests()) != 0 || len(s.Allows()) != 0 || s.Pushes() != 0 {
		t.Error("something was not forgotten")
	}
}

func TestMemoryIsBounded(t *testing.T) {
	s := fakeduo.New(fakeduo.Config{Memory: 3})
	s.SetUser(fakeduo.User{Username: "jo"})
	var last string
	for range 10 {
		last = pushed(t, s)
	}
	if got := s.Requests(); len(got) != 3 || got[0].Time.After(got[2].Time) {
		t.Errorf("requests: got %d, want the newest 3 in order", len(got))
	}
	if got := s.Transactions(); len(got) != 3 || got[2].Txid != last {
		t.Errorf("transactions: got %d, want the newest 3", len(got))
	}
	if len(s.Allows()) != 3 || s.Count("") != 10 || s.Pushes() != 10 {
		t.Errorf("got %d allows, %d requests, %d pushes, want 3, 10, 10", len(s.Allows()), s.Count(""), s.Pushes())
	}
}

// Two equal logins in one second are signed alike: taken, and flagged.
func TestRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := withJo(fakeduo.User{})
		defer s.Close()
		pushed(t, s)
		pushed(t, s)
		time.Sleep(time.Second)
		pushed(t, s)
		pushed(t, s, "ipaddr", "192.0.2.1")
		for i, want := range []bool{false, true, false, false} {
			if got := s.Requests()[i].Repeated; got != want {
				t.Errorf("request %d: repeated: got %t, want %t", i+1, got, want)
			}
		}
		if s.Pushes() != 4 {
			t.Errorf("pushes: got %d, want 4", s.Pushes())
		}
	})
}

func TestConnections(t *testing.T) {
	for _, tt := range []struct {
		name        string
		cfg         fakeduo.Config
		least, most int // a client may dial more than it needs
	}{
		{"HTTP/2", fakeduo.Config{}, 1, 1},
		{"HTTP/2, 2 streams", fakeduo.Config{MaxStreams: 2}, 2, 4},
		{"HTTP/1.1", fakeduo.Config{DisableHTTP2: true}, 4, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := started(t, tt.cfg)
			c := client(t, s, true)
			if _, _, err := get(c, s); err != nil { // one connection is there before the others come
				t.Fatal(err)
			}
			s.Inject("", fakeduo.Fault{Hang: true, Times: 4})
			done := make(chan error, 4)
			for i := range 4 { // one after the other, lest the client queue one on a connection it does not know to be full
				go func() { _, _, err := get(c, s); done <- err }()
				await(t, func() bool { return s.Count("") == i+2 })
			}
			open := s.Connections()
			if open < tt.least || open > tt.most {
				t.Errorf("connections: got %d, want %d to %d", open, tt.least, tt.most)
			}
			s.Heal()
			for range 4 {
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
			c.CloseIdleConnections()
			await(t, func() bool { return s.Connections() == 0 })
			if s.MaxConnections() < open || s.TotalConnections() < s.MaxConnections() {
				t.Errorf("open %d, most %d, total %d", open, s.MaxConnections(), s.TotalConnections())
			}
		})
	}
}

// await polls until cond holds: for what only the other end of a socket brings about.
func await(t *testing.T, cond func() bool) {
	t.Helper()
	ctx := deadline(t)
	for !cond() {
		if ctx.Err() != nil {
			t.Fatal("waited 10 s for nothing")
		}
		time.Sleep(time.Millisecond)
	}
}
