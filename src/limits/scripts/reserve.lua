-- Sets tokens aside, for all callers or for none.
--
-- KEYS, for each caller: tokens used, tokens set aside. ARGV: an id, the
-- tokens, milliseconds that they are set aside for; then each caller's limit.
-- Returns 0 where there is room, 1 where all is set aside for others, 2 where
-- all is used up. The last of a day may go beyond the limit if it goes alone.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local id, tokens, lease = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local verdict = 0
for caller = 1, #KEYS / 2 do
    local limit = tonumber(ARGV[3 + caller])
    local used = tonumber(redis.call('GET', KEYS[caller * 2 - 1]) or '0')
    redis.call('ZREMRANGEBYSCORE', KEYS[caller * 2], '-inf', now)
    local reserved = 0
    for _, member in ipairs(redis.call('ZRANGE', KEYS[caller * 2], 0, -1)) do
        reserved = reserved + tonumber(string.match(member, ':(%d+)$'))
    end
    if used + reserved + tokens > limit and (used >= limit or reserved > 0) then
        verdict = math.max(verdict, used >= limit and 2 or 1)
    end
end
if verdict == 0 then
    for caller = 1, #KEYS / 2 do
        redis.call('ZADD', KEYS[caller * 2], now + lease, id .. ':' .. ARGV[2])
        redis.call('PEXPIRE', KEYS[caller * 2], lease)
    end
end
return verdict
