-- Lets a request in, or not: all of it or nothing.
--
-- KEYS, for each caller: requests, streams, tokens used, tokens set aside.
-- ARGV: a stream's id or '', milliseconds of its lease, the longest pause in
-- microseconds; then for each caller the limits of requests, streams, tokens.
-- Returns: 0 let in, 1 too many requests, 2 too many streams; milliseconds to
-- wait; then for each caller requests left, milliseconds until all are back,
-- tokens taken.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local now_ms = math.floor(now / 1000)
local stream, lease, minute = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local refused, wait = 0, 0
local arrivals, answer = {}, {0, 0}
local callers = #KEYS / 4

local function limits(caller)
    local at = 3 + (caller - 1) * 3
    return tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
end

for caller = 1, callers do
    local requests, streams = limits(caller)
    local key = (caller - 1) * 4
    if stream ~= '' and streams > 0 then
        redis.call('ZREMRANGEBYSCORE', KEYS[key + 2], '-inf', now_ms)
        if redis.call('ZCARD', KEYS[key + 2]) >= streams then
            refused = 2
        end
    end
    if requests > 0 then
        local arrival = tonumber(redis.call('GET', KEYS[key + 1]) or '0')
        if arrival < now then arrival = now end
        local early = arrival + minute / requests - minute - now
        -- A microsecond more or less is rounding.
        if early > 1 then
            if refused == 0 then refused = 1 end
            wait = math.max(wait, early)
        end
        arrivals[caller] = arrival
    end
end

for caller = 1, callers do
    local requests, streams, tokens = limits(caller)
    local key = (caller - 1) * 4
    local left, reset, taken = 0, 0, 0
    if requests > 0 then
        local gap = minute / requests
        local arrival = arrivals[caller]
        if refused == 0 then
            arrival = arrival + gap
            local rest = math.max(1, math.ceil((arrival - now) / 1000))
            redis.call('SET', KEYS[key + 1], string.format('%.0f', arrival), 'PX', rest)
        end
        left = math.max(0, math.floor((minute - (arrival - now)) / gap + 0.001))
        reset = math.ceil((arrival - now) / 1000)
    end
    if refused == 0 and stream ~= '' and streams > 0 then
        redis.call('ZADD', KEYS[key + 2], now_ms + lease, stream)
        redis.call('PEXPIRE', KEYS[key + 2], lease * 2)
    end
    if tokens > 0 then
        redis.call('ZREMRANGEBYSCORE', KEYS[key + 4], '-inf', now_ms)
        taken = tonumber(redis.call('GET', KEYS[key + 3]) or '0')
        for _, member in ipairs(redis.call('ZRANGE', KEYS[key + 4], 0, -1)) do
            taken = taken + tonumber(string.match(member, ':(%d+)$'))
        end
    end
    answer[#answer + 1] = left
    answer[#answer + 1] = reset
    answer[#answer + 1] = taken
end
answer[1], answer[2] = refused, math.ceil(wait / 1000)
return answer
