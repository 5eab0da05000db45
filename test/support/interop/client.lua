-- For wrk. Usage: wrk ... -s client.lua URL -- DIRECTORY LIST, where a line of LIST is
-- "METHOD PATH UPLOAD CHUNKED REPLY": sizes, "-" for no upload, "yes" or "no".
-- Compares each answer with the file that it should be, prints what is wrong, and "complete"
-- once every request has been answered.

local PIECE = 25000
local requests, replies, seen = {}, {}, {}
local last, left, contents = 0, 0, {}

local function content(directory, size)
  if contents[size] == nil then
    local file = assert(io.open(directory .. "/" .. size, "rb"))
    contents[size] = file:read("*a")
    file:close()
  end
  return contents[size]
end

local function chunked(body)
  local parts = {}
  for start = 1, #body, PIECE do
    local piece = body:sub(start, start + PIECE - 1)
    parts[#parts + 1] = string.format("%x\r\n", #piece) .. piece .. "\r\n"
  end
  return table.concat(parts) .. "0\r\n\r\n"
end

local function build(directory, method, path, upload, is_chunked)
  if upload == "-" then return wrk.format(method, path, {}) end
  local body = content(directory, upload)
  if is_chunked == "no" then return wrk.format(method, path, {}, body) end
  return wrk.format(method, path, { ["Transfer-Encoding"] = "chunked" }) .. chunked(body)
end

function init(arguments)
  for line in io.lines(arguments[2]) do
    local method, path, upload, is_chunked, reply = line:match("^(%S+) (%S+) (%S+) (%S+) (%S+)$")
    requests[#requests + 1] = function() return build(arguments[1], method, path, upload, is_chunked) end
    replies[path] = content(arguments[1], reply)
  end
  left = #requests
end

function request()
  last = last % #requests + 1
  return requests[last]()
end

function response(status, headers, body)
  if left == 0 then return end
  local target = headers["X-Target"] or "nothing"
  local expected = replies[target]
  if expected == nil then
    print("wrong: " .. status .. " to " .. target)
  elseif status >= 300 then
    print("wrong: " .. target .. ": " .. status)
  elseif body ~= expected then
    print("wrong: " .. target .. ": another body")
  end
  if expected ~= nil and not seen[target] then
    seen[target] = true
    left = left - 1
  end
  if left == 0 then
    -- wrk goes on to the end of its time unless somebody interrupts it.
    print("complete")
    io.stdout:flush()
    wrk.thread:stop()
  end
end
