package shared_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"duoradiusd/policy"
)

// memoryByKind asks the server how many octets all keys of each kind use. The kind of a key is its second part.
const memoryByKind = `
local sums, cursor = {}, '0'
repeat
  local found = redis.call('SCAN', cursor, 'COUNT', 1000)
  cursor = found[1]
  for _, key in ipairs(found[2]) do
    local kind = string.match(key, '^[^:]*:([^:]*)')
    sums[kind] = (sums[kind] or 0) + redis.call('MEMORY', 'USAGE', key)
  end
until cursor == '0'
local list = {}
for kind, sum in pairs(sums) do list[#list + 1] = kind .. ' ' .. sum end
return list`

// TestMemoryPerUser: the figures of conf/cluster.md about the memory that the store needs for each person.
func TestMemoryPerUser(t *testing.T) {
	r, duo := runRedis(t), newDuo()
	duo.allows()
	d := start(t, "a", r.addr, duo)
	const users = 500
	var wg sync.WaitGroup
	for half := range 2 {
		for i := range users / 2 {
			wg.Go(func() {
				wants(t, "login", d.login(fmt.Sprintf("firstname.lastname%d", half*users/2+i)), policy.OutcomeAccept, policy.ReasonApproved)
			})
		}
		wg.Wait()
	}
	var approval, guard, push int
	for line := range strings.Lines(r.cli("--raw", "eval", memoryByKind, "0")) {
		var kind string
		var octets int
		if _, err := fmt.Sscan(line, &kind, &octets); err != nil {
			continue // redis-cli ends with an empty line
		}
		switch kind {
		case "approvals", "identity":
			approval += octets
		case "guard":
			guard += octets
		case "join", "transaction", "ring":
			push += octets
		case "daemons":
		default:
			t.Errorf("%d octets of another kind: %s", octets, kind)
		}
	}
	t.Logf("octets of a user: %d for an approval, %d of the guard, %d for a push", approval/users, guard/users, push/users)
	for _, tt := range []struct {
		what      string
		got, most int
	}{{"an approval", approval, 1024}, {"the guard's counts", guard, 200}, {"a push", push, 3500}} {
		if tt.got == 0 || tt.got > tt.most*users {
			t.Errorf("%s: %d octets for %d users, want at most %d for each", tt.what, tt.got, users, tt.most)
		}
	}
}
