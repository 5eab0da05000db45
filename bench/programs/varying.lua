-- Requests whose heads are never the same: path, query and a header change each time,
-- so that nothing which was read before helps with the next one.
local count = 0
local seed = os.time() % 100000

request = function()
  count = count + 1
  local id = seed .. "-" .. count
  return wrk.format("GET", "/vary/item-" .. id .. "?page=" .. count % 97 .. "&trace=" .. id, { ["X-Trace"] = "trace-" .. id })
end
