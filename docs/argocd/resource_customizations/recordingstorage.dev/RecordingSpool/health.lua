local function condition(of)
  if obj.status ~= nil and obj.status.conditions ~= nil then
    for _, each in ipairs(obj.status.conditions) do
      if each.type == of then
        return each
      end
    end
  end
  return nil
end

if obj.metadata.deletionTimestamp ~= nil then
  local blocked = condition("DeletionBlocked")
  return { status = "Progressing", message = blocked ~= nil and blocked.message or "it is being deleted" }
end

local ready = condition("Ready")
if ready == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "the operator has not looked at it yet" }
end
if ready.status == "True" then
  return { status = "Healthy", message = ready.message }
end
if ready.status == "False" then
  return { status = "Degraded", message = ready.message }
end
return { status = "Progressing", message = ready.message }
