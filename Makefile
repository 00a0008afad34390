# make install puts the program, its pages and its unit in their places; the deb, the rpm and the zip come from .ci/package.
# Everything else needs Go alone: go run ./cmd/duodemo, go test ./...

PREFIX ?= /usr/local
DESTDIR ?=
BIN = $(DESTDIR)$(PREFIX)/bin
SHARE = $(DESTDIR)$(PREFIX)/share
UNITS = $(DESTDIR)$(PREFIX)/lib/systemd/system

.PHONY: build test install uninstall

build:
	mkdir -p dist
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o dist/duoradiusd ./cmd/duoradiusd
	go test -count=1 -run '^TestManual$$' ./cmd/duoradiusd -args -manual "$(CURDIR)/dist" >/dev/null

test:
	go test ./...

install: build
	install -D -m 0755 dist/duoradiusd $(BIN)/duoradiusd
	for page in dist/man?/*; do install -D -m 0644 $$page $(SHARE)/man/$${page#dist/} || exit; done
	install -D -m 0644 dist/completion/bash $(SHARE)/bash-completion/completions/duoradiusd
	install -D -m 0644 dist/completion/zsh $(SHARE)/zsh/site-functions/_duoradiusd
	install -D -m 0644 dist/completion/fish $(SHARE)/fish/vendor_completions.d/duoradiusd.fish
	install -D -m 0644 conf/duoradiusd.toml $(SHARE)/doc/duoradiusd/duoradiusd.toml
	install -D -m 0644 LICENSE $(SHARE)/doc/duoradiusd/LICENSE
	mkdir -p $(UNITS)
	sed 's|/usr/bin/duoradiusd|$(PREFIX)/bin/duoradiusd|' conf/systemd/duoradiusd.service >$(UNITS)/duoradiusd.service

uninstall:
	rm -rf $(BIN)/duoradiusd $(UNITS)/duoradiusd.service $(SHARE)/doc/duoradiusd
	rm -f $(SHARE)/man/man?/duoradiusd*
	rm -f $(SHARE)/bash-completion/completions/duoradiusd $(SHARE)/zsh/site-functions/_duoradiusd
	rm -f $(SHARE)/fish/vendor_completions.d/duoradiusd.fish
