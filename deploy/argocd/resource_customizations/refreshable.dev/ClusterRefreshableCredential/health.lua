-- Health of a ClusterRefreshableCredential: of what was last applied, as kstatus reads it.
local function told(status, message)
  return { status = status, message = message }
end

local status = obj.status or {}
if status.observedGeneration == nil or status.observedGeneration ~= obj.metadata.generation then
  return told("Progressing", "the controller has not looked at it yet")
end

local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end

local ready = conditions["Ready"] or {}
local stalled = conditions["Stalled"] or {}
if stalled.status == "True" then
  -- Somebody has to change the specification.
  return told("Degraded", stalled.message)
end
if ready.status == "True" then
  return told("Healthy", ready.message)
end
-- Some namespace waits for something, if only for what is allowed to it.
return told("Progressing", ready.message or "")
