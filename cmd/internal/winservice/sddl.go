package winservice

import "fmt"

// Rights of a service to a folder, as hexadecimal masks of the security descriptor definition language.
const (
	readAndExecute = "0x1200a9"
	modify         = "0x1301bf"
)

// folderAccess returns the access control list of a folder and everything in it. SYSTEM and the Administrators have full
// access, the service's own account has the given rights, and nobody else has any. Nothing is inherited from ProgramData,
// which lets Users read.
func folderAccess(service, rights string) string {
	return fmt.Sprintf("D:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;%s;;;%s)", rights, service)
}

// trustedOwners are the accounts whose folders below ProgramData are trusted, although every user may make folders there:
// SYSTEM, the Administrators, and the installer of Windows' own parts.
var trustedOwners = map[string]bool{
	"S-1-5-18":     true,
	"S-1-5-32-544": true,
	"S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464": true,
}
