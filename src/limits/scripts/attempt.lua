-- An attempt to sign in: whether it may be made, and then one failure more for
-- the account and for the address.
--
-- KEYS: the account's, the address's. ARGV: failures that bring no pause; the
-- first pause, the longest, and the time until all is forgotten, in milliseconds.
-- Returns the milliseconds to wait, 0 for an attempt that was counted; then for
-- each key the end of its pause before and after.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local free, first = tonumber(ARGV[1]), tonumber(ARGV[2])
local longest, forgotten = tonumber(ARGV[3]), tonumber(ARGV[4])
local failures, paused = {}, {}
for at, key in ipairs(KEYS) do
    failures[at] = tonumber(redis.call('HGET', key, 'failures') or '0')
    paused[at] = tonumber(redis.call('HGET', key, 'paused') or '0')
end
local wait = math.max(paused[2] - now, 0)
-- A stranger's failures make nobody else wait.
if failures[2] > 0 then
    wait = math.max(wait, paused[1] - now)
end
if wait > 0 then
    return {wait, 0, 0, 0, 0}
end
local answer = {0}
for at, key in ipairs(KEYS) do
    local count, set = failures[at] + 1, paused[at]
    if count >= free then
        set = math.max(set, now + math.min(longest, first * 2 ^ math.min(count - free, 30)))
    end
    redis.call('HSET', key, 'failures', count, 'paused', string.format('%.0f', set))
    redis.call('PEXPIRE', key, string.format('%.0f', math.max(set - now, 0) + forgotten))
    answer[#answer + 1] = paused[at]
    answer[#answer + 1] = set
end
return answer
