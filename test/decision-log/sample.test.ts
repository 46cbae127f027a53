import assert from 'node:assert/strict'
import { renameSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { type DecisionLog, decisionLog, type DecisionLogOptions } from '@countersign/core'
import { DecisionSample } from '../../packages/core/src/decision-log/decision-sample.ts'
import { allowed, at, createFolder, denied, idOf, publish, readLines } from './lines.ts'
import { waitUntil } from '../support/wait-until.ts'

interface Opened {
  readonly log: DecisionLog
  readonly path: string
}

function open(context: TestContext, options: Omit<DecisionLogOptions, 'path'>): Opened {
  const path = join(createFolder(context), 'decisions.jsonl')
  const log = decisionLog({ path, ...options })
  context.after(() => log.close())
  return { log, path }
}

test('writes the first allowed decision of each caller, method, rule, policy, revision and credential', async (context) => {
  const { log, path } = open(context, { sampleAllowed: 0 })
  const kinds = [
    {},
    { principal: idOf('other') },
    { principal: null },
    { method: 'POST' },
    { rule: 2 },
    { rule: undefined },
    { policy: 'mailers' },
    { revision: 'sha256:01' },
    { credential: 'forwarded' },
  ]
  for (let round = 0; round < 3; round += 1) {
    for (const kind of kinds) publish({ ...allowed, path: `/${round}`, ...kind })
  }
  await log.close()
  const lines = readLines(path)
  assert.equal(lines.length, kinds.length)
  assert.ok(lines.every((line) => line['path'] === '/0' && line['sampled'] === 1))
})

test('writes them once more on another day, and in another file', async (context) => {
  const { log, path } = open(context, { sampleAllowed: 0 })
  const day = 86_400_000
  for (const moment of [at, at + 1000, at + day, at + day + 1000]) publish({ ...allowed, at: moment })
  await new Promise(setImmediate)
  renameSync(path, `${path}.1`)
  await log.reopen()
  publish({ ...allowed, at: at + day })
  publish({ ...allowed, at: at + day })
  await log.close()
  assert.equal(readLines(`${path}.1`).length + readLines(path).length, 3)
})

test('the sum of 1 / sampled estimates the number of allowed requests', async (context) => {
  const { log, path } = open(context, { sampleAllowed: 0.25 })
  for (let index = 0; index < 4000; index += 1) publish({ ...allowed, principal: idOf(`caller-${index % 3}`) })
  await log.close()
  const lines = readLines(path)
  const [first, ...others] = lines
  assert.equal(first?.['sampled'], 1)
  assert.ok(others.slice(2).every(({ sampled }) => sampled === 0.25))
  const estimate = lines.reduce((sum, { sampled }) => sum + 1 / Number(sampled), 0)
  // Ten standard deviations.
  assert.ok(Math.abs(estimate - 4000) < 1100, `${estimate}`)
})

test('writes every denial of a principal and every would-be denial, whatever the sample', async (context) => {
  const { log, path } = open(context, { sampleAllowed: 0, maxPerSecond: 0 })
  for (let index = 0; index < 300; index += 1) {
    publish({ ...denied, principal: idOf('mailer') })
    publish({ ...allowed, wouldBe: denied })
  }
  await log.close()
  assert.equal(readLines(path).length, 600)
})

test('writes at most maxPerSecond denials without a principal in a second, and counts the rest', async (context) => {
  const { log, path } = open(context, { maxPerSecond: 3 })
  for (const second of [0, 1, 2]) {
    for (let index = 0; index < 10; index += 1) publish({ ...denied, at: at + 1000 * second })
  }
  await log.close()
  const lines = readLines(path)
  assert.equal(lines.filter(({ type }) => type === 'decision').length, 9)
  assert.deepEqual(
    lines.filter(({ type }) => type === 'dropped').map(({ rate, queue, failed }) => ({ rate, queue, failed })),
    [{ rate: 21, queue: 0, failed: 0 }],
  )
  assert.deepEqual(log.dropped, { rate: 21, queue: 0, failed: 0 })
})

test('does not count a first decision as written that found the queue full', async (context) => {
  const { log, path } = open(context, { sampleAllowed: 0, maxQueueBytes: 65_536 })
  while (log.dropped.queue === 0) publish({ ...denied, principal: idOf('mailer') })
  publish({ ...allowed, principal: idOf('seldom') })
  await waitUntil(() => readLines(path).length !== 0)
  await new Promise(setImmediate)
  publish({ ...allowed, principal: idOf('seldom') })
  publish({ ...allowed, principal: idOf('seldom') })
  await log.close()
  assert.equal(readLines(path).filter(({ principal }) => principal === idOf('seldom')).length, 1)
})

test('keeps at most 2 MiB of callers, and starts again once a minute when they are used up', () => {
  const sample = new DecisionSample(0, 0)
  const writeMany = (moment: number): number => {
    let written = 0
    for (let index = 0; index < 10_000; index += 1) {
      const event = { type: 'decision', effect: 'allow', at: moment, method: 'GET', path: '/', rule: 0 } as const
      if (sample.judge({ ...event, principal: idOf(`caller-${moment}-${index}`) }) === 1) written += 1
      assert.ok(sample.bytes <= 2 * 1024 * 1024)
    }
    return written
  }
  const [first, same, next] = [writeMany(at), writeMany(at + 59_000), writeMany(at + 60_000)]
  assert.ok(first > 2000 && first < 10_000, `${first}`)
  assert.equal(same, 0)
  assert.ok(next > 1000 && next < 5000, `${next}`)
})
