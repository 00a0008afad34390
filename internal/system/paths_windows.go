package system

import (
	"path/filepath"

	"golang.org/x/sys/windows"
)

// ConfigFile is the configuration that the commands read unless --config names another.
func ConfigFile() string { return filepath.Join(Folder(), "duoradiusd.toml") }

// ControlSocket is the named pipe by which the running daemon is reached unless [admin] socket says otherwise.
func ControlSocket() string { return `\\.\pipe\duoradiusd` }

// StateFolder is where the daemon keeps what survives a restart unless [state] directory says otherwise.
func StateFolder() string { return filepath.Join(Folder(), "state") }

// LogFolder is where the service's log lies.
func LogFolder() string { return filepath.Join(Folder(), "log") }

// Folder is where the configuration, its secrets and the state lie: %ProgramData%\duoradiusd. The path of ProgramData comes
// from the system and not from the environment, because any user can set the environment.
func Folder() string {
	programData, err := windows.KnownFolderPath(windows.FOLDERID_ProgramData, windows.KF_FLAG_DEFAULT)
	if err != nil {
		programData = `C:\ProgramData`
	}
	return filepath.Join(programData, "duoradiusd")
}
