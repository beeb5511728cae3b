-- Adds jobs; 0 where there is no room for all of them.
-- KEYS: the lines. ARGV: the most entries, how many jobs are for the first line, the jobs.
local count = #ARGV - 2
if redis.call('XLEN', KEYS[1]) + redis.call('XLEN', KEYS[2]) + count > tonumber(ARGV[1]) then
    return 0
end
local first = tonumber(ARGV[2])
for i = 1, count do
    redis.call('XADD', KEYS[i <= first and 1 or 2], '*', 'j', ARGV[i + 2])
end
return 1
