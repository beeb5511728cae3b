-- Takes jobs under a lease. Four values each: which line, the entry, how often it was taken, the job.
-- KEYS: the lines, the first to be emptied first. ARGV: group, consumer, how many, the lease in milliseconds, whether
-- to look for leases that ran out even where there is enough without them.
local group, consumer, lease = ARGV[1], ARGV[2], ARGV[4]
local left = tonumber(ARGV[3])
local taken = {}

-- A group that was lost, as by FLUSHALL, is made anew.
local function ask(...)
    local reply = redis.pcall(...)
    if type(reply) == 'table' and reply.err then
        if not string.find(reply.err, 'NOGROUP', 1, true) then
            error(reply.err)
        end
        for _, lost in ipairs(KEYS) do
            redis.pcall('XGROUP', 'CREATE', lost, group, '0', 'MKSTREAM')
        end
        return redis.call(...)
    end
    return reply
end

local function add(line, id, deliveries, job)
    taken[#taken + 1] = line
    taken[#taken + 1] = id
    taken[#taken + 1] = deliveries
    taken[#taken + 1] = job
    left = left - 1
end

local function reclaim(line)
    local key, cursor = KEYS[line], '0-0'
    -- One call looks at ten times as many entries as it may claim.
    for _ = 1, 100 do
        if left <= 0 then
            return
        end
        local reply = ask('XAUTOCLAIM', key, group, consumer, lease, cursor, 'COUNT', left)
        for _, entry in ipairs(reply[2]) do
            -- Redis 6.2 also answers, with nothing in their place, entries that were deleted.
            if entry then
                local pending = redis.call('XPENDING', key, group, entry[1], entry[1], 1)
                add(line, entry[1], pending[1][4], entry[2][2])
            end
        end
        cursor = reply[1]
        if cursor == '0-0' then
            return
        end
    end
end

local function read(line)
    if left <= 0 then
        return
    end
    local reply = ask('XREADGROUP', 'GROUP', group, consumer, 'COUNT', left, 'STREAMS', KEYS[line], '>')
    if reply then
        for _, entry in ipairs(reply[1][2]) do
            add(line, entry[1], 1, entry[2][2])
        end
    end
end

if ARGV[5] == '1' then
    for line = 1, #KEYS do
        reclaim(line)
        read(line)
    end
else
    for line = 1, #KEYS do
        read(line)
    end
    if #taken == 0 then
        for line = 1, #KEYS do
            reclaim(line)
        end
    end
end
return taken
