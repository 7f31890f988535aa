-- SPDX-License-Identifier: GPL-2.0-only
-- loop.lua - loops that are compiled while they run: numbers, tables, strings, calls
local function sieve(n)
	local is, count = {}, 0
	for i = 2, n do is[i] = true end
	for i = 2, n do
		if is[i] then
			count = count + 1
			for j = i * i, n, i do is[j] = false end
		end
	end
	return count
end

local function mandel(n)
	local inside = 0
	for y = 0, n - 1 do
		for x = 0, n - 1 do
			local cr, ci, zr, zi, i = 3 * x / n - 2, 2 * y / n - 1, 0, 0, 0
			while i < 50 and zr * zr + zi * zi < 4 do
				zr, zi, i = zr * zr - zi * zi + cr, 2 * zr * zi + ci, i + 1
			end
			if i == 50 then inside = inside + 1 end
		end
	end
	return inside
end

local function words(n)
	local seen, distinct = {}, 0
	for i = 1, n do
		local w = "w" .. (i * 7919 % 1013)
		if not seen[w] then
			seen[w] = 0
			distinct = distinct + 1
		end
		seen[w] = seen[w] + #w
	end
	return distinct
end

local function fib(n)
	return n < 2 and n or fib(n - 1) + fib(n - 2)
end

local function sorted(n)
	local t, x = {}, 42
	for i = 1, n do
		x = (x * 16807) % 2147483647
		t[i] = x
	end
	table.sort(t, function(a, b) return a < b end)
	for i = 2, n do assert(t[i - 1] <= t[i]) end
	return #t
end

for round = 1, 6 do
	print(round, sieve(200000), mandel(120), words(100000), fib(25), sorted(20000))
end
