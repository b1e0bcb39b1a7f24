local status = obj.status
if status == nil or status.conditions == nil or status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "waiting for the operator" }
end
local conditions = {}
for _, condition in ipairs(status.conditions) do
  conditions[condition.type or ""] = condition
end
local stalled, ready, admission = conditions.Stalled, conditions.Ready, conditions.AdmissionReady
if stalled ~= nil and stalled.status == "True" then
  return { status = "Degraded", message = stalled.message }
end
if ready == nil then
  return { status = "Progressing", message = "waiting for the operator" }
end
-- What waits for somebody must fail a sync, or the sync holds back the very commit that mends it.
local waits = { Contested = true, Drifted = true, RolloutBlocked = true }
if ready.status ~= "True" and waits[ready.reason or ""] then
  return { status = "Degraded", message = ready.message }
end
local contested = tonumber((status.namespaces or {}).contested) or 0
if ready.status == "True" and contested > 0 then
  return { status = "Degraded", message = "another manager keeps changing objects back in " .. contested .. " namespaces" }
end
if admission ~= nil and admission.reason == "PoliciesContested" then
  return { status = "Degraded", message = admission.message }
end
if ready.status == "True" then
  return { status = "Healthy", message = ready.message }
end
return { status = "Progressing", message = ready.message }
