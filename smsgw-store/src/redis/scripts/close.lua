-- Releases all that a consumer has leased, and forgets it.
-- KEYS: the lines. ARGV: group, consumer.
local group, consumer = ARGV[1], ARGV[2]
for _, key in ipairs(KEYS) do
    repeat
        local pending = redis.pcall('XPENDING', key, group, '-', '+', 100, consumer)
        for _, lease in ipairs(pending) do
            local entry = redis.call('XRANGE', key, lease[1], lease[1])[1]
            if entry then
                redis.call('XADD', key, '*', unpack(entry[2]))
            end
            redis.call('XACK', key, group, lease[1])
            redis.call('XDEL', key, lease[1])
        end
    until #pending == 0
    redis.pcall('XGROUP', 'DELCONSUMER', key, group, consumer)
end
return redis.status_reply('OK')
