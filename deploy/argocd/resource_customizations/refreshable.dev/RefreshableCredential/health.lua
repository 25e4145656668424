-- Health of a RefreshableCredential: of what was last applied, as kstatus reads it.
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
local function holds(kind)
  return conditions[kind] ~= nil and conditions[kind].status == "True"
end

local ready = conditions["Ready"]
if holds("Stalled") then
  -- Somebody has to change something, even while what is published is still valid.
  return told("Degraded", conditions["Stalled"].message)
end
if ready ~= nil and ready.reason == "Suspended" then
  return told("Suspended", ready.message)
end
if holds("Ready") then
  -- Valid credentials whose renewal fails for now are healthy: the controller goes on trying.
  return told("Healthy", ready.message)
end
if holds("Reconciling") or ready == nil then
  return told("Progressing", (conditions["Reconciling"] or ready or {}).message or "")
end
return told("Degraded", ready.message)
