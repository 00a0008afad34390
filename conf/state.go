package conf

import "duoradiusd/internal/system"

// State is what survives a restart.
type State struct {
	Directory string // absolute; "" = nothing survives
}

func readState(t *table) State {
	return State{Directory: t.file.abs(t.string("directory", system.StateFolder()))}
}
