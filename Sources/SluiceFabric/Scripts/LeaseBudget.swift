import SluiceWire

extension FabricScript {
    /// Takes back what a dispatcher has not used of a pool's budget, charges what it has used, and leases it more.
    ///
    /// DESIGN. What is leased counts as unused until its holder reports it used, and as used once the lease has run
    /// out: a dispatcher that died has used everything. A bucket's balance and its leases together never hold more than
    /// its capacity, so that however late leases are used, no span sees more than capacity + rate · span. A strict
    /// budget counts what is leased, and what was reported during the last minute; reports fall into slots of a
    /// quarter of a second, and a slot is forgotten when its youngest report is a minute old.
    ///
    /// What was reserved and then not needed goes back as if it had never been taken: had the bucket been full since,
    /// it would have run over. `heights` remembers how full it was at most since each question.
    ///
    /// A balance is counted in 60,000ths of a token, because that is what a rate per minute adds in a millisecond:
    /// all numbers are whole. Time is the server's, and only its advance counts: a clock that is set back stands
    /// still. Whoever holds or lacks something asks before the lease has run out: until somebody has, no more than
    /// that and five seconds count at once. The clock was set ahead, or nobody could ask, and then some of what would
    /// have come back is lost.
    ///
    /// Whoever has no limit may ask whether others have one; while nobody has, nothing is kept.
    ///
    /// Who has waited longest for enough is served first, the others out of what remains, in proportion to what they
    /// want; nobody is given less than it can use. The same question again is answered the same.
    ///
    /// - Keys: the budget.
    /// - Arguments: holder; its question as `BudgetQuestion.arguments` writes it.
    /// - Answers: `[0]` to a question older than the last; else `[1, …]` as `BudgetAnswer` reads it.
    package static let leaseBudget = ValkeyScript(
        name: "leaseBudget",
        source: """
            redis.call('HDEL', KEYS[1], '')
            local time = redis.call('TIME')
            local server = time[1] * 1000 + math.floor(time[2] / 1000)
            local id, ask = ARGV[1], {}
            for i = 2, #ARGV do ask[i] = tonumber(ARGV[i]) end
            local function numbers(text)
              local list = {}
              for word in string.gmatch(text, '%S+') do list[#list + 1] = tonumber(word) end
              return list
            end
            local holders, slots, heights, state, gone, fresh = {}, {}, {{}, {}}, nil, {}, {}
            local fields = redis.call('HGETALL', KEYS[1])
            for i = 1, #fields, 2 do
              local kind, name = string.sub(fields[i], 1, 2), string.sub(fields[i], 3)
              if kind == 'h:' then
                holders[name] = numbers(fields[i + 1])
              elseif kind == 'w:' then
                slots[tonumber(name)] = numbers(fields[i + 1])
              elseif kind == 'f:' then
                heights[tonumber(name)] = numbers(fields[i + 1])
              elseif fields[i] == 'state' then
                state = numbers(fields[i + 1])
              end
            end
            local mine = holders[id]
            if mine and ask[2] < mine[1] then return {0} end
            if mine and ask[2] == mine[1] then
              local answer = {}
              for i = 16, #mine do answer[i - 15] = mine[i] end
              return answer
            end

            local function inforce()
              local limits, some, differs = {0, -1, -1, -1, -1}, nil, 0
              for _, h in pairs(holders) do
                if h[12] >= 0 or h[13] >= 0 then
                  limits[1] = math.max(limits[1], h[11])
                  for i = 2, 5 do
                    local own = h[10 + i]
                    if own >= 0 and (limits[i] < 0 or own < limits[i]) then limits[i] = own end
                    if some and own ~= some[10 + i] then differs = 1 end
                  end
                  if some and h[11] ~= some[11] then differs = 1 end
                  some = h
                end
              end
              return limits, some, differs
            end
            local function leased(i)
              local sum = 0
              for _, h in pairs(holders) do sum = sum + h[3 + i] end
              return sum
            end
            local function counted(i)
              local sum = 0
              for _, slot in pairs(slots) do sum = sum + slot[i] end
              return sum
            end
            local function count(slot, tokens, requests)
              if tokens == 0 and requests == 0 then return end
              local there = slots[slot] or {0, 0}
              slots[slot] = {there[1] + tokens, there[2] + requests}
              fresh[slot] = true
            end
            local function note(i, number, height)
              local list = heights[i]
              while #list > 0 and list[#list] <= height do list[#list], list[#list - 1] = nil, nil end
              list[#list + 1], list[#list + 2] = number, height
              if #list <= 64 then return end
              local at, least = 1, nil
              for j = 1, #list - 3, 2 do
                local step = list[j + 1] - list[j + 3]
                if not least or step < least then at, least = j, step end
              end
              list[at + 3] = list[at + 1]
              table.remove(list, at)
              table.remove(list, at)
            end
            local function refund(i, number, amount, most)
              local list, at = heights[i], 1
              while list[at] and list[at] < number do at = at + 2 end
              if number < 0 or not list[at] then return 0 end
              local taken = math.max(0, math.min(amount, most - list[at + 1]))
              for j = at, #list, 2 do list[j + 1] = list[j + 1] + taken end
              for j = 1, at - 2, 2 do list[j + 1] = math.max(list[j + 1], list[at + 1]) end
              return taken
            end
            local told = {ask[4], ask[5], ask[7], ask[6], ask[8]}

            local before, some = inforce()
            if not some then before = told end
            local isnew = not state
            if isnew and not some and told[2] < 0 and told[3] < 0 then
              return {1, 0, 0, 0, 1, 0, 0, 0, 1, told[1], -1, -1, -1, -1, 0}
            end
            if isnew then state = {time[1] * 1000000 + time[2], 0, server, 0, 0, before[1], 0} end
            local advance = math.max(0, server - state[3])
            for _, h in pairs(holders) do
              if math.max(h[4], h[5], h[8], h[9]) > 0 and h[2] > state[2] then
                advance = math.min(advance, h[2] - state[2] + 5000)
              end
            end
            local clock = state[2] + advance
            local now = math.floor(clock / 250)
            local islost = ask[3] ~= 0 and ask[3] ~= state[1]
            for i = 1, 2 do
              if isnew and not islost then state[3 + i] = math.max(0, before[3 + i]) * 60000 end
              if before[1 + i] >= 0 then
                local room = (before[3 + i] - leased(i)) * 60000
                state[3 + i] = math.min(state[3 + i] + advance * before[1 + i], room)
                if state[6] == 0 then note(i, state[7], state[3 + i] + leased(i) * 60000) end
              else
                state[3 + i] = 0
              end
            end
            for name, h in pairs(holders) do
              if h[2] <= clock and (h[4] > 0 or h[5] > 0) then
                if before[1] == 1 then count(math.floor(h[2] / 250), h[4], h[5]) end
                h[4], h[5] = 0, 0
                gone[name] = 'spent'
              end
              if h[3] + 30000 <= clock and name ~= id then
                holders[name] = nil
                gone[name] = 'forgotten'
              end
            end
            for slot in pairs(slots) do
              if (slot + 1) * 250 + 60000 <= clock then
                slots[slot], fresh[slot] = nil, nil
                redis.call('HDEL', KEYS[1], 'w:' .. slot)
              end
            end

            local since = mine and mine[10] or -1
            local keep, back, owed, target, least = {}, {}, {}, {}, {}
            local used = {}
            for i = 1, 2 do
              local held = mine and mine[3 + i] or 0
              local at = 10 + (i - 1) * 5
              keep[i] = math.min(ask[at], held)
              back[i] = math.min(ask[at + 1], held - keep[i])
              owed[i], target[i], least[i] = ask[at + 2], ask[at + 3], ask[at + 4]
              used[i] = held - keep[i] - back[i] + owed[i]
            end
            mine = {ask[2], clock + ask[9], clock, keep[1], keep[2], target[1], target[2], least[1], least[2], -1}
            for i = 1, 5 do mine[10 + i] = told[i] end
            if ask[20] == 1 then mine[12], mine[13] = -1, -1 end
            holders[id] = mine
            local limits, _, differs = inforce()
            if ask[20] == 1 and limits[2] < 0 and limits[3] < 0 then limits = told end

            local strict = limits[1] == 1
            state[7] = state[7] + 1
            if strict and state[6] == 0 then
              count(now, math.max(0, limits[2]), math.max(0, limits[3]))
            elseif state[6] == 1 then
              count(now, used[1], used[2])
            end
            for i = 1, 2 do
              if state[6] == 0 then
                state[3 + i] = state[3 + i] + (back[i] - owed[i]) * 60000
                if limits[1 + i] >= 0 then note(i, state[7], state[3 + i] + leased(i) * 60000) end
              elseif not strict then
                state[3 + i] = math.max(0, before[1 + i] - counted(i) - leased(i)) * 60000
              end
            end
            for i = 21, #ask - 2, 3 do
              if state[6] == 0 then
                for j = 1, 2 do
                  state[3 + j] = state[3 + j] + refund(j, ask[i], ask[i + j] * 60000, limits[3 + j] * 60000)
                end
              elseif slots[ask[i]] then
                local slot = slots[ask[i]]
                count(ask[i], -math.min(slot[1], ask[i + 1]), -math.min(slot[2], ask[i + 2]))
              end
            end
            if islost then
              if strict then
                count(now, math.max(0, limits[2] - counted(1)), math.max(0, limits[3] - counted(2)))
              end
              for i = 4, 5 do state[i] = math.min(state[i], 0) end
            end
            if strict or islost then heights = {{}, {}} end
            state[6] = limits[1]

            local left, others, reserved, holding = {0, 0}, {0, 0}, {0, 0}, 0
            for name, h in pairs(holders) do
              if h[3] + 1000 > clock then
                holding = holding + 1
                if name ~= id then
                  local isfirst = h[10] >= 0 and (since < 0 or h[10] < since or (h[10] == since and name < id))
                  for i = 1, 2 do
                    others[i] = others[i] + math.max(0, h[5 + i] - h[3 + i])
                    if isfirst then reserved[i] = reserved[i] + math.max(0, h[7 + i] - h[3 + i]) end
                  end
                end
              end
            end
            local grant, ismet = {0, 0}, 1
            for i = 1, 2 do
              if limits[1 + i] >= 0 then
                if strict then
                  left[i] = math.max(0, limits[1 + i] - counted(i) - leased(i))
                else
                  state[3 + i] = math.min(state[3 + i], (limits[3 + i] - leased(i)) * 60000)
                  left[i] = math.max(0, math.floor(state[3 + i] / 60000))
                end
                local room = math.max(0, left[i] - reserved[i])
                local want, need = math.max(0, target[i] - keep[i]), math.max(0, least[i] - keep[i])
                local share = room - others[i]
                if want > 0 then share = math.max(share, math.floor(room * want / (want + others[i]))) end
                grant[i] = math.max(0, math.min(math.max(want, need), math.max(share, math.min(need, room))))
                if grant[i] < need then ismet = 0 end
              end
            end
            if ismet == 0 then
              mine[10] = since >= 0 and since or clock
              grant = {0, 0}
            end
            for i = 1, 2 do
              mine[3 + i] = keep[i] + grant[i]
              left[i] = left[i] - grant[i]
              if not strict then state[3 + i] = state[3 + i] - grant[i] * 60000 end
            end

            local answer = {1, state[1], mine[4], mine[5], ismet, now, left[1], left[2], holding}
            if not strict then answer[6] = state[7] end
            for i = 1, 5 do answer[9 + i] = limits[i] end
            answer[15] = differs
            for i = 1, 15 do mine[15 + i] = answer[i] end
            state[2], state[3] = clock, server
            local function write(field, list)
              local words = {}
              for i, number in ipairs(list) do words[i] = string.format('%.0f', number) end
              redis.call('HSET', KEYS[1], field, table.concat(words, ' '))
            end
            write('state', state)
            write('h:' .. id, mine)
            for name, how in pairs(gone) do
              if how == 'forgotten' then
                redis.call('HDEL', KEYS[1], 'h:' .. name)
              elseif name ~= id then
                write('h:' .. name, holders[name])
              end
            end
            for i = 1, 2 do
              if #heights[i] > 0 then write('f:' .. i, heights[i]) else redis.call('HDEL', KEYS[1], 'f:' .. i) end
            end
            for slot in pairs(fresh) do write('w:' .. slot, slots[slot]) end
            local life = 60000
            for i = 2, 3 do
              if limits[i] > 0 then life = math.max(life, math.ceil(limits[i + 2] * 60000 / limits[i])) end
            end
            redis.call('PEXPIRE', KEYS[1], math.min(life, 604800000) + 60000)
            return answer
            """
    )
}
