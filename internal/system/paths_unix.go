//go:build unix

package system

// ConfigFile is the configuration that the commands read unless --config names another.
func ConfigFile() string { return "/etc/duoradiusd/duoradiusd.toml" }

// ControlSocket is where the running daemon is reached unless [admin] socket says otherwise.
func ControlSocket() string { return "/run/duoradiusd/control.sock" }

// StateFolder is where the daemon keeps what survives a restart unless [state] directory says otherwise.
func StateFolder() string { return "/var/lib/duoradiusd" }
