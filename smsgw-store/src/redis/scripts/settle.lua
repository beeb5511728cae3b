-- Ends leases; one digit each, 1 where it was ended and 0 where it was over.
-- KEYS: the lines. ARGV: group, consumer, one digit a lease, then entry and number of deliveries of each. The digit: 0 or 1
-- for the line, and 2 more where the job is released.
local group, consumer, kinds = ARGV[1], ARGV[2], ARGV[3]
local outcomes, ended, seen = {}, {{}, {}}, {{}, {}}
for i = 1, #kinds do
    local kind = string.byte(kinds, i) - 48
    local line = kind % 2 + 1
    local key, id, deliveries = KEYS[line], ARGV[2 * i + 2], tonumber(ARGV[2 * i + 3])
    -- Where the group is lost, this is an error, and nothing is ours.
    local pending = redis.pcall('XPENDING', key, group, id, id, 1, consumer)
    if not seen[line][id] and pending[1] and pending[1][4] == deliveries then
        if kind >= 2 then
            local entry = redis.call('XRANGE', key, id, id)[1]
            if entry then
                redis.call('XADD', key, '*', unpack(entry[2]))
            end
        end
        seen[line][id] = true
        table.insert(ended[line], id)
        outcomes[i] = '1'
    else
        outcomes[i] = '0'
    end
end
for line, ids in ipairs(ended) do
    -- Lua takes some thousand arguments at a time.
    for first = 1, #ids, 1000 do
        local last = math.min(first + 999, #ids)
        redis.call('XACK', KEYS[line], group, unpack(ids, first, last))
        redis.call('XDEL', KEYS[line], unpack(ids, first, last))
    end
end
return table.concat(outcomes)
