-- Requests for 10,000 of the 50,000 routes of bench/harness/many-routes.ts, in turn.
-- Every run begins somewhere else, so that short ones do not ask for the same ones only.
local at = os.time() * 2503 % 10000

local function host(index)
  local kind = index % 4
  if kind == 0 then return "host-" .. index .. ".example.com" end
  if kind == 1 then return "x.tenant-" .. index % 5000 .. ".example.org" end
  if kind == 2 then return "shared-" .. index % 50 .. ".example.net" end
  return "any.example.net"
end

request = function()
  at = (at + 1) % 10000
  local index = at * 5
  local path = "/api/v" .. index % 3 .. "/item/" .. index
  if index % 2 == 0 then path = "/api/v" .. index % 3 .. "/resource-" .. index .. "/42" end
  return wrk.format("GET", path, { Host = host(index) })
end
