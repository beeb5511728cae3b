-- Makes the groups, and forgets the consumers of gateways that are long gone and hold nothing.
-- KEYS: the lines. ARGV: group, milliseconds after which an idle consumer is gone.
for _, key in ipairs(KEYS) do
    local made = redis.pcall('XGROUP', 'CREATE', key, ARGV[1], '0', 'MKSTREAM')
    if made.err and not string.find(made.err, 'BUSYGROUP', 1, true) then
        return made
    end
    -- Claims nothing: no entry has been idle for so long. It is there to learn whether the server can do it.
    redis.call('XAUTOCLAIM', key, ARGV[1], 'nobody', '9000000000000', '0-0', 'COUNT', 1)
    redis.call('XGROUP', 'DELCONSUMER', key, ARGV[1], 'nobody')
    for _, facts in ipairs(redis.call('XINFO', 'CONSUMERS', key, ARGV[1])) do
        local consumer = {}
        for i = 1, #facts, 2 do
            consumer[facts[i]] = facts[i + 1]
        end
        if consumer.pending == 0 and consumer.idle > tonumber(ARGV[2]) then
            redis.call('XGROUP', 'DELCONSUMER', key, ARGV[1], consumer.name)
        end
    end
end
return redis.status_reply('OK')
