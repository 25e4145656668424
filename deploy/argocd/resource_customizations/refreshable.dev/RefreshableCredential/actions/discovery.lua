-- A suspended resource renews nothing, also on request.
local actions = {}
actions["refresh"] = { ["disabled"] = obj.spec.suspend == true }
return actions
