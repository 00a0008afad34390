//go:build unix

package duo_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"duoradiusd/policy"
	"duoradiusd/policy/duo"
	"duoradiusd/policy/factor"
)

const leanTxid = "f22b1678-252a-4070-b176-0ca2be7319fd"

// leanAnswers are the answers to a login by push, in Duo's form.
var leanAnswers = map[string]string{
	preauthPath: `{"response": {"devices": [{"capabilities": ["auto", "push", "sms", "phone", "mobile_otp"], ` +
		`"device": "DPAAAAAAAAAAAAAAAAAA", "display_name": "iOS (XXX-XXX-0100)", "name": "", "number": "XXX-XXX-0100", ` +
		`"type": "phone"}], "result": "auth", "status_msg": "Account is active"}, "stat": "OK"}`,
	authPath:   `{"response": {"txid": "` + os.Getenv("LEAN_TXID") + `"}, "stat": "OK"}`,
	statusPath: `{"response": {"result": "allow", "status": "allow", "status_msg": "Success. Logging you in..."}, "stat": "OK"}`,
}

// In a process of its own, this test program is a Duo that only answers. The benchmark then counts the client's work only.
func TestMain(m *testing.M) {
	if proto := os.Getenv("LEAN_DUO"); proto != "" {
		leanDuo(proto)
		return
	}
	os.Exit(m.Run())
}

// leanDuo listens, prints its address and certificate to stdout, and answers until stdin ends.
func leanDuo(proto string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, NextProtos: []string{proto},
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(ln.Addr())
	pem.Encode(os.Stdout, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	os.Stdout.Close()
	serve := leanHTTP1
	if proto == "h2" {
		serve = leanHTTP2
	}
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			go serve(nc)
		}
	}()
	io.Copy(io.Discard, os.Stdin)
}

func leanHTTP1(nc net.Conn) {
	defer nc.Close()
	r := bufio.NewReader(nc)
	for {
		length, answer := 0, ""
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			if _, rest, ok := strings.Cut(line, " /"); ok && answer == "" {
				path, _, _ := strings.Cut("/"+rest, " ")
				path, _, _ = strings.Cut(path, "?")
				answer = leanAnswers[path]
			}
			if rest, ok := strings.CutPrefix(line, "Content-Length: "); ok {
				length, _ = strconv.Atoi(strings.TrimSpace(rest))
			}
			if len(line) == 2 {
				break
			}
		}
		r.Discard(length)
		text := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nDate: Sat, 01 Jan 2000 00:00:00 GMT\r\nContent-Length: %d\r\n\r\n%s",
			len(answer), answer)
		if _, err := nc.Write(text); err != nil {
			return
		}
	}
}

func leanHTTP2(nc net.Conn) {
	defer nc.Close()
	r := bufio.NewReaderSize(nc, 64<<10)
	r.Discard(len(http2.ClientPreface))
	var out, block bytes.Buffer
	framer := http2.NewFramer(&out, r)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	enc := hpack.NewEncoder(&block)
	framer.WriteSettings()
	answers := map[uint32]string{}
	for {
		f, err := framer.ReadFrame()
		if err != nil {
			return
		}
		id, ended := f.Header().StreamID, false
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				framer.WriteSettingsAck()
			}
		case *http2.PingFrame:
			framer.WritePing(true, f.Data)
		case *http2.MetaHeadersFrame:
			path, _, _ := strings.Cut(f.PseudoValue("path"), "?")
			answers[id], ended = leanAnswers[path], f.StreamEnded() && !strings.HasSuffix(f.PseudoValue("path"), "=hold")
		case *http2.DataFrame:
			ended = f.StreamEnded()
			framer.WriteWindowUpdate(0, f.Length)
		}
		if answer := answers[id]; ended {
			delete(answers, id)
			block.Reset()
			for _, field := range [][2]string{
				{":status", "200"}, {"date", "Sat, 01 Jan 2000 00:00:00 GMT"}, {"content-type", "application/json"},
				{"content-length", strconv.Itoa(len(answer))},
			} {
				enc.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
			}
			framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndHeaders: true})
			framer.WriteData(id, true, []byte(answer))
		}
		if r.Buffered() == 0 {
			if _, err := nc.Write(out.Bytes()); err != nil {
				return
			}
			out.Reset()
		}
	}
}

// lean returns a client of a lean Duo in another process.
func lean(b *testing.B, proto, txid string) *duo.Client {
	b.Helper()
	server := exec.Command(os.Args[0])
	server.Env = append(os.Environ(), "LEAN_DUO="+proto, "LEAN_TXID="+txid)
	server.Stderr = os.Stderr
	stdin, err := server.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := server.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { stdin.Close(); server.Wait() })
	text, err := io.ReadAll(stdout)
	if err != nil {
		b.Fatal(err)
	}
	addr, cert, _ := strings.Cut(string(text), "\n")
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(cert))
	c, err := duo.New(duo.Config{
		Host: addr, IntegrationKey: "DIAAAAAAAAAAAAAAAAAA", SecretKey: strings.Repeat("s", 40), Roots: roots, UserAgent: "duoradiusd/1",
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	return c
}

// cpu returns the processor time that this process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

var leanPush = policy.AuthRequest{
	User: jo, Name: "jo@example.com", Factor: factor.Push, Device: "DPAAAAAAAAAAAAAAAAAA",
	Info: [][2]string{{"Service", "VPN"}, {"User address", "203.0.113.7"}},
}

// BenchmarkLean measures the client's part of one call (a preauth), and of the three calls of a login by push.
func BenchmarkLean(b *testing.B) {
	whole := func(c *duo.Client) error {
		if _, err := c.Preauth(b.Context(), policy.PreauthRequest{User: jo}); err != nil {
			return err
		}
		_, err := c.Auth(b.Context(), &leanPush)
		return err
	}
	poll := func(c *duo.Client) error {
		_, err := c.Auth(b.Context(), &policy.AuthRequest{Began: leanTxid})
		return err
	}
	for _, proto := range []string{"h2", "http/1.1"} {
		c := lean(b, proto, leanTxid)
		for _, work := range []struct {
			name string
			do   func(*duo.Client) error
		}{{"call", poll}, {"login", whole}} {
			for _, at := range []int{1, 64} {
				b.Run(fmt.Sprintf("%s/%s/%d", strings.Replace(proto, "/", "", 1), work.name, at), func(b *testing.B) {
					b.ReportAllocs()
					b.SetParallelism((at + 1) / 2)
					if at == 1 {
						b.SetParallelism(1)
					}
					if err := work.do(c); err != nil {
						b.Fatal(err)
					}
					before := cpu(b)
					b.ResetTimer()
					if at == 1 {
						for range b.N {
							if err := work.do(c); err != nil {
								b.Fatal(err)
							}
						}
					} else {
						b.RunParallel(func(p *testing.PB) {
							for p.Next() {
								if err := work.do(c); err != nil {
									b.Error(err)
								}
							}
						})
					}
					b.StopTimer()
					b.ReportMetric(float64(cpu(b)-before)/1e3/float64(b.N), "cpu-us/op")
				})
			}
		}
	}
}

// BenchmarkPendingMemory measures the memory of a pending push over HTTP/2, with 4 000 polls that nobody answers.
func BenchmarkPendingMemory(b *testing.B) {
	const pushes = 4000
	c := lean(b, "h2", "hold")
	for b.Loop() {
		ctx, cancel := context.WithCancel(b.Context())
		before := inUse()
		var wg sync.WaitGroup
		for range pushes {
			wg.Go(func() { c.Auth(ctx, &leanPush) })
		}
		for {
			if n, _ := c.Waiting(); n == pushes {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		after := inUse()
		_, connections := c.Waiting()
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/pushes, "heap-B/push")
		b.ReportMetric(float64(after.StackInuse-before.StackInuse)/pushes, "stack-B/push")
		b.ReportMetric(float64(connections), "connections")
		cancel()
		wg.Wait()
	}
}

func inUse() runtime.MemStats {
	for range 4 { // a stack shrinks by half at each garbage collection
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m
}
