module duoradiusd

go 1.26.0

require (
	github.com/BurntSushi/toml v1.6.0 // configuration
	github.com/Microsoft/go-winio v0.6.2 // named pipes on Windows
	github.com/alicebob/miniredis/v2 v2.40.0 // a Redis inside a process, for tests and the demo with two daemons
	github.com/coreos/go-systemd/v22 v22.7.0 // sd_notify, the watchdog, sockets that systemd opens
	github.com/duosecurity/duo_api_golang v0.0.0-20250430191550-ac36954387e7 // makes and signs the calls of Duo's API; has Duo's list of roots
	github.com/go-asn1-ber/asn1-ber v1.5.8 // what go-ldap decodes with: its bounds, and the directory of the tests
	github.com/go-ldap/ldap/v3 v3.4.15 // the directory
	github.com/hashicorp/golang-lru/v2 v2.0.7 // approvals, challenges, guard: bounded
	github.com/prometheus/client_golang v1.25.0 // metrics
	github.com/rogpeppe/go-internal v1.16.0 // testscript, for the transcripts of test/
	github.com/spf13/cobra v1.10.2 // commands, help, shell completion
	github.com/spf13/pflag v1.0.9 // the flags of cobra's commands, for their manual
	github.com/valkey-io/valkey-go v1.0.79 // Redis and Valkey: pipelines by itself, repeats no writes, one module of its own
	go.yaml.in/yaml/v3 v3.0.5 // reads the compose files of conf/container, for tests
	golang.org/x/crypto v0.58.0 // bcrypt, argon2id; XChaCha20-Poly1305
	golang.org/x/net v0.62.0 // the address that a datagram was sent to; net/http's error of an HTTP/2 stream; a limit of connections
	golang.org/x/sys v0.49.0 // recvmmsg and sendmmsg; the Windows service; network namespaces, in tests
	golang.org/x/term v0.47.0 // a password without echo, for the login command
	golang.org/x/text v0.43.0 // NFC: one canonical form of user names
	layeh.com/radius v0.0.0-20231213012653-1006025d24f8 // RADIUS codes and attribute types
)

require (
	github.com/Azure/go-ntlmssp v0.1.1 // indirect
	github.com/beorn7/perks v1.0.1 // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	github.com/prometheus/client_model v0.6.3 // indirect
	github.com/prometheus/common v0.72.0 // indirect
	github.com/prometheus/procfs v0.22.0 // indirect
	github.com/yuin/gopher-lua v1.1.1 // indirect
	golang.org/x/tools v0.51.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)
