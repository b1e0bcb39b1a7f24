local summary, conditions = obj.summary or {}, {}
local function count(state)
  return tonumber(summary[state]) or 0
end
for _, condition in ipairs((obj.status or {}).conditions or {}) do
  conditions[condition.type or ""] = condition
end
local stalled, ready = conditions.Stalled, conditions.Ready
if stalled ~= nil and stalled.status == "True" then
  return { status = "Degraded", message = stalled.message }
end
if obj.enforcement == "Audit" then
  return { status = "Healthy", message = "audited; " .. count("drifted") .. " objects differ" }
end
for _, trouble in ipairs({ "failed", "conflicted", "drifted", "blocked" }) do
  if count(trouble) > 0 then
    return { status = "Degraded", message = count(trouble) .. " objects are " .. trouble }
  end
end
if ready ~= nil and ready.status == "True" then
  return { status = "Healthy", message = count("compliant") .. " objects are in place, " .. count("findings") .. " findings" }
end
return { status = "Progressing", message = "the baseline is not yet in place" }
