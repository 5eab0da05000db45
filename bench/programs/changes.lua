-- Writes of the Admin API: one route after the other gets another path, at a constant
-- rate over all connections. Words: how many routes there are, changes a second.
local ffi = require("ffi")
ffi.cdef("typedef struct { long tv_sec; long tv_usec; } timeval_t; int gettimeofday(timeval_t *, void *);")

local clock = ffi.new("timeval_t")
local routes, interval, count, due

local function now()
  ffi.C.gettimeofday(clock, nil)
  return tonumber(clock.tv_sec) * 1000 + tonumber(clock.tv_usec) / 1000
end

init = function(args)
  routes = tonumber(args[1])
  interval = 1000 / tonumber(args[2])
  count = 0
  due = now()
end

delay = function()
  due = due + interval
  return math.max(0, math.floor(due - now() + 0.5))
end

request = function()
  count = count + 1
  local id = count * 7919 % routes
  local body = string.format('{"uri":"/changed/%d/%d","upstream_id":"1"}', id, count)
  return wrk.format("PUT", "/apisix/admin/routes/" .. id, nil, body)
end
