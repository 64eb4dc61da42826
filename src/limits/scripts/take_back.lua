-- Takes an attempt to sign in back, and the pause that it brought.
--
-- KEYS: the account's, the address's. ARGV: failures that bring no pause; 1 if
-- all of the account's are forgotten; then for each key the end of its pause
-- before and after the attempt.
local free = tonumber(ARGV[1])
for at, key in ipairs(KEYS) do
    local failures = tonumber(redis.call('HGET', key, 'failures') or '0')
    if (at == 1 and ARGV[2] == '1') or failures <= 1 then
        redis.call('DEL', key)
    else
        local paused = tonumber(redis.call('HGET', key, 'paused') or '0')
        local before, set = tonumber(ARGV[2 * at + 1]), tonumber(ARGV[2 * at + 2])
        if failures - 1 < free then
            paused = 0
        elseif paused == set then
            paused = before
        end
        redis.call('HSET', key, 'failures', failures - 1, 'paused', string.format('%.0f', paused))
    end
end
return redis.status_reply('OK')
