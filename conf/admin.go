package conf

// Admin is how the running daemon is spoken to.
type Admin struct {
	Socket string // absolute path of a Unix socket; "" = off
}

func readAdmin(t *table) Admin {
	return Admin{Socket: t.file.abs(t.string("socket", "/run/duoradiusd/control.sock"))}
}
