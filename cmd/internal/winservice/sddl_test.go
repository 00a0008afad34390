package winservice

import "testing"

// TestFolderAccess: nobody but the system, administrators and the service reads the folder's secrets.
func TestFolderAccess(t *testing.T) {
	want := "D:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;S-1-5-80-1)"
	if got := folderAccess("S-1-5-80-1", readAndExecute); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for sid, want := range map[string]bool{"S-1-5-32-544": true, "S-1-5-18": true, "S-1-5-32-545": false, "S-1-5-21-1-2-3-1001": false} {
		if trustedOwners[sid] != want {
			t.Errorf("a folder of %s is trusted: %v", sid, !want)
		}
	}
}
