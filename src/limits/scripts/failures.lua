-- Failed sign-ins: how an account and an address stand, and one failure more
-- where ARGV[1] is 1.
--
-- KEYS: the account's, the address's. ARGV: 0 or 1; failures that bring no
-- pause; the first pause, the longest, and the time until all is forgotten, in
-- milliseconds. Returns for each key its failures and milliseconds of pause.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local free, first = tonumber(ARGV[2]), tonumber(ARGV[3])
local longest, forgotten = tonumber(ARGV[4]), tonumber(ARGV[5])
local answer = {}
for _, key in ipairs(KEYS) do
    local failures = tonumber(redis.call('HGET', key, 'failures') or '0')
    local paused = tonumber(redis.call('HGET', key, 'paused') or '0')
    if ARGV[1] == '1' then
        failures = failures + 1
        if failures >= free then
            local pause = math.min(longest, first * 2 ^ math.min(failures - free, 30))
            paused = math.max(paused, now + pause)
        end
        redis.call('HSET', key, 'failures', failures, 'paused', string.format('%.0f', paused))
        redis.call('PEXPIRE', key, string.format('%.0f', math.max(paused - now, 0) + forgotten))
    end
    answer[#answer + 1] = failures
    answer[#answer + 1] = math.max(paused - now, 0)
end
return answer
