-- How many entries there are, and how many of them are leased.
-- KEYS: the lines. ARGV: group.
local total, leased = 0, 0
for _, key in ipairs(KEYS) do
    total = total + redis.call('XLEN', key)
    local pending = redis.pcall('XPENDING', key, ARGV[1])
    leased = leased + (pending[1] or 0)
end
return {total, leased}
