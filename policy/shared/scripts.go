package shared

import "github.com/valkey-io/valkey-go"

// These are the scripts of transactions. Each script gets all keys that it uses as KEYS, and these keys are in one slot of a
// Redis Cluster.

// claimScript makes the caller the owner of a new transaction, and sets the phone's pointer by Duo user. It returns two
// empty words on success. Otherwise it returns which pointer stands in the way (join, duo) and the value of that pointer.
//
//	KEYS  the join key's pointer, the transaction, its lease, the phone's pointer
//	ARGV  1: value of the join key's pointer that is known to lead nowhere; 2: its new value, "" for none
//	      3, 4: the same for the phone's pointer
//	      5: token; 6: record; 7, 8, 9: lives of record, lease and pointers in milliseconds
var claimScript = valkey.NewLuaScript(`
if ARGV[2] ~= '' then
	local found = redis.call('GET', KEYS[1])
	if found and found ~= ARGV[1] then return {'join', found} end
end
if ARGV[4] ~= '' then
	local found = redis.call('GET', KEYS[4])
	if found and found ~= ARGV[3] then return {'duo', found} end
	redis.call('SET', KEYS[4], ARGV[4], 'PX', ARGV[9])
end
if ARGV[2] ~= '' then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[9]) end
redis.call('HSET', KEYS[2], 'o', ARGV[5], 'v', ARGV[6])
redis.call('PEXPIRE', KEYS[2], ARGV[7])
redis.call('SET', KEYS[3], ARGV[5], 'PX', ARGV[8])
return {'', ''}`)

// personScript sets the phone's pointer by person. It returns "" on success, or the value of the pointer that stands in the
// way.
//
//	KEYS  the phone's pointer
//	ARGV  its value that is known to lead nowhere, its new one, its life
var personScript = valkey.NewLuaScript(`
local found = redis.call('GET', KEYS[1])
if found and found ~= ARGV[1] then return found end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return ''`)

// publishScript writes a record. It returns 1, publishedAnew if there was no record, or 0 if another daemon is the owner.
//
//	KEYS  the transaction, its lease
//	ARGV  token, record, life, the lease's life (0: it ends)
var publishScript = valkey.NewLuaScript(`
local owner = redis.call('HGET', KEYS[1], 'o')
if owner and owner ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'o', ARGV[1], 'v', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
if ARGV[4] == '0' then
	redis.call('DEL', KEYS[2])
else
	redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[4])
end
return owner and 1 or 2`)

const publishedAnew = 2

// takeScript takes a transaction over from an owner that is gone. It returns 1 on success.
//
//	KEYS  the transaction, its lease
//	ARGV  the old owner's token, the new one's, life, the lease's life
var takeScript = valkey.NewLuaScript(`
if redis.call('EXISTS', KEYS[2]) == 1 or redis.call('HGET', KEYS[1], 'o') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'o', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[4])
return 1`)

// giveScript counts that the answer is given. It returns how often it was given, or 0 if it may not be given again.
//
//	KEYS  the transaction
//	ARGV  how often at most; 0: any number
var giveScript = valkey.NewLuaScript(`
local given, most = tonumber(redis.call('HGET', KEYS[1], 'g') or 0) or 0, tonumber(ARGV[1])
if redis.call('EXISTS', KEYS[1]) == 0 or most > 0 and given >= most then return 0 end
redis.call('HSET', KEYS[1], 'g', given + 1)
return given + 1`)

// scripts holds all scripts of this package by name, for a check of the server.
var scripts = map[string]*valkey.Lua{
	"claim": claimScript, "person": personScript, "publish": publishScript, "take": takeScript, "give": giveScript,
	"add": addScript, "replace": replaceScript, "forget": forgetScript,
	"admit": admitScript, "settle": settleScript, "wrong": wrongScript, "know": knowScript, "push": pushEndedScript, "clear": clearScript,
}
