-- Counts what was used instead of what was set aside.
--
-- KEYS, for each caller: tokens used, tokens set aside. ARGV: the member that
-- was set aside, the tokens that were used, seconds that a day's count is kept.
for caller = 1, #KEYS / 2 do
    redis.call('ZREM', KEYS[caller * 2], ARGV[1])
    if tonumber(ARGV[2]) > 0 then
        redis.call('INCRBY', KEYS[caller * 2 - 1], ARGV[2])
        redis.call('EXPIRE', KEYS[caller * 2 - 1], ARGV[3])
    end
end
return 0
