-- One call more in the period of KEYS[1]. ARGV: the quota, the seconds of a period that begins now.
-- Replies 1 below the quota, 2 at the quota (the last that is let pass), 0 above it.
local quota = tonumber(ARGV[1])
local count = redis.call('INCR', KEYS[1])
if count == 1 then
  redis.call('EXPIRE', KEYS[1], ARGV[2])
end
if count < quota then
  return 1
end
if count == quota then
  return 2
end
return 0
