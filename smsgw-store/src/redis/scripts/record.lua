-- Writes down what became of messages, unless something later is known, and tells those who listen.
-- KEYS: one a message. ARGV: seconds to keep it, channel, then the time in microseconds and the event of each.
for i, key in ipairs(KEYS) do
    local at, event = tonumber(ARGV[2 * i + 1]), ARGV[2 * i + 2]
    local known = redis.call('GET', key)
    local is_json, earlier = pcall(cjson.decode, known or '')
    if not (is_json and type(earlier) == 'table' and (tonumber(earlier.micros) or 0) > at) then
        redis.call('SET', key, event, 'EX', ARGV[1])
    end
    redis.call('PUBLISH', ARGV[2], event)
end
return redis.status_reply('OK')
