import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'
import {
  type DecisionLine,
  decisionLog,
  type LogEntry,
  parseDecisionLine,
  readDecisionLog,
} from '@countersign/core/decision-log'
import { assert as check, json, jsonValue, oneof, property, string } from 'fast-check'
import { allowed, createFolder, denied, idOf, publish, readLines } from './lines.ts'

const line: DecisionLine = {
  version: 1,
  type: 'decision',
  time: '2026-11-28T06:00:00.250Z',
  effect: 'allow',
  method: 'GET',
  path: '/a',
  principal: null,
  sampled: 1,
}
const reason = { id: 'a', status: 403, code: 'access_denied', reason: 'no_rule' }
const wouldBe = { effect: 'deny', ...reason }
const dropped = { version: 1, type: 'dropped', time: line.time, rate: 1, queue: 2, failed: 3 }

async function collect(entries: AsyncIterable<LogEntry>): Promise<readonly LogEntry[]> {
  const all: LogEntry[] = []
  for await (const entry of entries) all.push(entry)
  return all
}

describe('parses a line', () => {
  const lines: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
    'of an allowed request': { ...line },
    'with every field': {
      ...line,
      pathState: 'cut',
      principal: idOf('mailer'),
      credential: 'forwarded',
      proxy: idOf('ingress'),
      rule: 0,
      policy: 'mailers',
      revision: 'sha256:00',
      remoteAddress: '192.0.2.1',
      sampled: 0.01,
    },
    'of a denial': { ...line, effect: 'deny', ...reason, missing: ['a'] },
    'of a would-be denial': { ...line, wouldBe: { ...wouldBe, rule: 1, policy: 'a', missing: ['b'] } },
    'with a reason of a later version': { ...line, effect: 'deny', ...reason, reason: 'policy_denied' },
  }
  for (const [what, value] of Object.entries(lines)) {
    test(what, () => assert.deepEqual(parseDecisionLine(JSON.stringify(value)), value))
  }

  test('without fields that it does not know', () => {
    const text = `{"__proto__":{"effect":"deny"},"later":1,${JSON.stringify(line).slice(1)}`
    const parsed = parseDecisionLine(text)
    assert.deepEqual(parsed, line)
    assert.equal(Object.getPrototypeOf(parsed), Object.prototype)
  })
})

describe('refuses', () => {
  const inputs: Readonly<Record<string, unknown>> = {
    'another version': { ...line, version: 2 },
    'another type': { ...line, type: 'denial' },
    'dropped lines': dropped,
    'a list': [line],
    nothing: null,
    'a time as a number': { ...line, time: 0 },
    'a date': { ...line, time: '2026-11-28' },
    'a time that does not exist': { ...line, time: '2026-13-28T06:00:00.250Z' },
    'another effect': { ...line, effect: 'maybe' },
    'a missing method': { ...line, method: undefined },
    'a path as a number': { ...line, path: 1 },
    'another pathState': { ...line, pathState: 'whole' },
    'a missing principal': { ...line, principal: undefined },
    'a rule below 0': { ...line, rule: -1 },
    'a rule as text': { ...line, rule: '1' },
    'a policy as a number': { ...line, policy: 1 },
    'sampled 0': { ...line, sampled: 0 },
    'sampled above 1': { ...line, sampled: 2 },
    'a denial without a reason': { ...line, effect: 'deny' },
    'a denial with a status that denies nothing': { ...line, effect: 'deny', ...reason, status: 200 },
    'a denial with a sentence as its reason': { ...line, effect: 'deny', ...reason, reason: 'no rule' },
    'a denial with a sentence as its code': { ...line, effect: 'deny', ...reason, code: 'no rule' },
    'a denial with missing as text': { ...line, effect: 'deny', ...reason, missing: 'a' },
    'a denial that would be one': { ...line, effect: 'deny', ...reason, wouldBe },
    'a would-be allow': { ...line, wouldBe: { ...wouldBe, effect: 'allow' } },
    'a would-be denial without a reason': { ...line, wouldBe: { effect: 'deny' } },
    'a would-be denial with a rule as text': { ...line, wouldBe: { ...wouldBe, rule: '1' } },
    'a would-be denial as text': { ...line, wouldBe: 'deny' },
  }
  for (const [what, input] of Object.entries(inputs)) {
    test(what, () => assert.equal(parseDecisionLine(JSON.stringify(input)), undefined))
  }

  test('every line that is cut', () => {
    const text = JSON.stringify({ ...line, wouldBe })
    for (let end = 0; end < text.length; end += 1) assert.equal(parseDecisionLine(text.slice(0, end)), undefined)
  })

  test('a line of more than 1 MiB', () => {
    assert.equal(parseDecisionLine(JSON.stringify({ ...line, path: 'a'.repeat(1024 * 1024) })), undefined)
  })
})

test('never throws, whatever a line is', () => {
  check(
    property(
      oneof(
        string(),
        json(),
        jsonValue().map((value) => JSON.stringify({ ...line, wouldBe: value })),
      ),
      (text) => {
        parseDecisionLine(text)
      },
    ),
  )
})

test('reads what was written', async (context) => {
  const path = join(createFolder(context), 'decisions.jsonl')
  const log = decisionLog({ path, maxPerSecond: 1 })
  publish(allowed)
  publish(denied)
  publish(denied)
  publish({ ...allowed, wouldBe: denied })
  await log.close()
  const entries = await collect(readDecisionLog(path))
  assert.deepEqual(
    entries.map(({ line: read }) => read),
    readLines(path),
  )
  assert.deepEqual(
    entries.map(({ number }) => number),
    [1, 2, 3, 4],
  )
})

test('reports each line that it cannot read, with its number', async (context) => {
  const path = join(createFolder(context), 'decisions.jsonl')
  const text = JSON.stringify(line)
  writeFileSync(path, `${text}\n{"version":1,"ty\n\n \r\n${text}\r\n${JSON.stringify(dropped)}\nError: x\n${text}`)
  const entries = await collect(readDecisionLog(path))
  assert.deepEqual(
    entries.map(({ number, line: read }) => [number, read?.type]),
    [
      [1, 'decision'],
      [2, undefined],
      [5, 'decision'],
      [6, 'dropped'],
      [7, undefined],
      [8, 'decision'],
    ],
  )
})

test('a line that is too long is one line, and its end is not read as another', async () => {
  const text = JSON.stringify(line)
  async function* chunks(): AsyncGenerator<string> {
    for (let index = 0; index < 40; index += 1) yield 'x'.repeat(64 * 1024)
    yield text
    yield `\n${text}\n`
  }
  const entries = await collect(readDecisionLog(chunks()))
  assert.deepEqual(entries, [
    { number: 1, line: undefined },
    { number: 2, line },
  ])
})

test('a line without an end is not kept in memory', async () => {
  async function* chunks(): AsyncGenerator<string> {
    // Together longer than a string can be.
    for (let index = 0; index < 600; index += 1) yield 'x'.repeat(1024 * 1024)
  }
  assert.deepEqual(await collect(readDecisionLog(chunks())), [{ number: 1, line: undefined }])
})

test('reads bytes that are split anywhere', async () => {
  const bytes = Buffer.from(`${JSON.stringify({ ...line, path: '/é😀' })}\n`.repeat(2))
  for (let size = 1; size < 8; size += 1) {
    const parts = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
      bytes.subarray(index * size, (index + 1) * size),
    )
    const entries = await collect(readDecisionLog(Readable.from(parts)))
    assert.deepEqual(
      entries.map(({ line: read }) => read?.type === 'decision' && read.path),
      ['/é😀', '/é😀'],
    )
  }
})

test('a file that is missing is an error', async (context) => {
  await assert.rejects(collect(readDecisionLog(join(createFolder(context), 'missing'))), { code: 'ENOENT' })
})
