-- Takes tokens from the bucket whose level is KEYS[1] and whose last call was at the unix second KEYS[2].
-- ARGV: tokens per second, tokens that the bucket holds, the unix second now, tokens wanted.
-- Replies 1 when they were there, nil when not. A bucket that nobody knows is full; a clock that went back adds nothing.
local rate = tonumber(ARGV[1])
local burst = tonumber(ARGV[2])
local now = tonumber(ARGV[3])
local wanted = tonumber(ARGV[4])
local level = tonumber(redis.call('GET', KEYS[1]) or burst)
local last = tonumber(redis.call('GET', KEYS[2]) or 0)
level = math.min(burst, level + math.max(0, now - last) * rate)
local there = level >= wanted
if there then
  level = level - wanted
end
-- Twice the time that an empty bucket takes to fill: after it a forgotten bucket is a full one.
local life = math.floor(burst / rate * 2)
redis.call('SETEX', KEYS[1], life, level)
redis.call('SETEX', KEYS[2], life, now)
return there
