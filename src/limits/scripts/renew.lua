-- Streams go on. KEYS: where they are counted. ARGV: milliseconds of a lease;
-- then for each key the stream's id. What is not counted any more stays so.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lease = tonumber(ARGV[1])
for at, key in ipairs(KEYS) do
    redis.call('ZADD', key, 'XX', now + lease, ARGV[at + 1])
    redis.call('PEXPIRE', key, lease * 2)
end
return #KEYS
