package winservice

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc/eventlog"
	"golang.org/x/sys/windows/svc/mgr"

	"duoradiusd/internal/system"
)

// account is the service's own account. Windows makes it with the service; it has no password and few rights.
const account = `NT SERVICE\` + Name

// Install makes the service, its source in the Event Log, and the folders below ProgramData. The service starts with the
// machine and is started again when it dies. Only administrators and the service can read the folders. program is the absolute
// path of this program, file that of the configuration. Install does not start the service.
func Install(program, file string) error {
	if err := trust(system.Folder()); err != nil {
		return err
	}
	m, err := mgr.Connect()
	if err != nil {
		return fmt.Errorf("reach the service control manager (as an administrator?): %w", err)
	}
	defer m.Disconnect()
	s, err := m.CreateService(Name, program, mgr.Config{
		DisplayName:      "duoradiusd",
		Description:      "A RADIUS front end for Duo",
		StartType:        mgr.StartAutomatic,
		ServiceStartName: account,
		SidType:          windows.SERVICE_SID_TYPE_UNRESTRICTED,
	}, "serve", "--config", file)
	if err != nil {
		return fmt.Errorf("make the service: %w", err)
	}
	defer s.Close()
	err = s.SetRecoveryActions([]mgr.RecoveryAction{{Type: mgr.ServiceRestart, Delay: 2 * time.Second}}, 60)
	if err == nil {
		err = s.SetRecoveryActionsOnNonCrashFailures(true)
	}
	if err == nil {
		err = folders()
	}
	if err == nil {
		err = eventlog.InstallAsEventCreate(Name, eventlog.Info|eventlog.Warning|eventlog.Error)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("set the service up: %w", err), s.Delete())
	}
	return nil
}

// Remove removes the service and its source in the Event Log. Configuration, state and logs stay.
func Remove() error {
	m, err := mgr.Connect()
	if err != nil {
		return fmt.Errorf("reach the service control manager (as an administrator?): %w", err)
	}
	defer m.Disconnect()
	s, err := m.OpenService(Name)
	if err != nil {
		return fmt.Errorf("find the service: %w", err)
	}
	defer s.Close()
	if err := s.Delete(); err != nil {
		return fmt.Errorf("remove the service: %w", err)
	}
	if err := eventlog.Remove(Name); err != nil {
		return fmt.Errorf("the service is removed; its source in the Event Log stays: %w", err)
	}
	return nil
}

// trust refuses a folder that a user without administrator rights has made: below ProgramData every user may make folders.
func trust(folder string) error {
	sd, err := windows.GetNamedSecurityInfo(folder, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("who owns %s: %w", folder, err)
	}
	owner, _, err := sd.Owner()
	if err != nil {
		return fmt.Errorf("who owns %s: %w", folder, err)
	}
	if !trustedOwners[owner.String()] {
		return fmt.Errorf("%s belongs to %s, who is no administrator: look what is in it, and remove it", folder, owner)
	}
	return nil
}

// folders makes the folders of the configuration, the state and the logs, and closes them to other users.
func folders() error {
	sid, _, _, err := windows.LookupSID("", account)
	if err != nil {
		return fmt.Errorf("find %s: %w", account, err)
	}
	for _, f := range []struct{ name, rights string }{
		{system.Folder(), readAndExecute}, {system.StateFolder(), modify}, {system.LogFolder(), modify},
	} {
		if err := os.MkdirAll(f.name, 0o750); err != nil {
			return err
		}
		sd, err := windows.SecurityDescriptorFromString(folderAccess(sid.String(), f.rights))
		if err != nil {
			return err
		}
		acl, _, err := sd.DACL()
		if err != nil {
			return err
		}
		const what = windows.DACL_SECURITY_INFORMATION | windows.PROTECTED_DACL_SECURITY_INFORMATION
		if err := windows.SetNamedSecurityInfo(f.name, windows.SE_FILE_OBJECT, what, nil, nil, acl, nil); err != nil {
			return fmt.Errorf("close %s to others: %w", f.name, err)
		}
	}
	return nil
}
