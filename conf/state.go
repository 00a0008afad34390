package conf

// State is what survives a restart.
type State struct {
	Directory string // absolute; "" = nothing survives
}

func readState(t *table) State {
	return State{Directory: t.file.abs(t.string("directory", "/var/lib/duoradiusd"))}
}
