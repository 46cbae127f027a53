import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { decisionLog, type DecisionLogOptions } from '@countersign/core'
import { allowed, createFolder, denied, idOf, type Line, publish, readLines } from './lines.ts'

/** Writes decisions to a file and returns its lines. */
async function write(
  context: TestContext,
  events: readonly Line[],
  options: Omit<DecisionLogOptions, 'path'> = {},
): Promise<readonly Line[]> {
  const path = join(createFolder(context), 'decisions.jsonl')
  const log = decisionLog({ path, sampleAllowed: 1, ...options })
  for (const event of events) publish(event)
  await log.close()
  assert.deepEqual(log.dropped, { rate: 0, queue: 0, failed: 0 })
  return readLines(path)
}

const common = {
  version: 1,
  type: 'decision',
  time: '2026-11-28T06:00:00.250Z',
  method: 'GET',
  path: '/',
  principal: idOf('mailer'),
  sampled: 1,
}
const { detail: _, ...reason } = denied

describe('writes each kind of decision as one line', () => {
  const kinds: Readonly<Record<string, readonly [event: Line, line: Line]>> = {
    'an allowed request': [allowed, { ...common, effect: 'allow', rule: 1 }],
    'an anonymous caller': [
      { ...allowed, principal: null },
      { ...common, effect: 'allow', principal: null, rule: 1 },
    ],
    'a denial': [
      { ...denied, principal: idOf('mailer'), rule: 0, missing: ['SERVICE_billing'] },
      { ...common, ...reason, rule: 0, missing: ['SERVICE_billing'] },
    ],
    'a denial without a principal': [denied, { ...common, ...reason, principal: null }],
    'every optional field': [
      { ...allowed, credential: 'forwarded', proxy: idOf('ingress'), policy: 'mailers', revision: 'sha256:00' },
      {
        ...common,
        effect: 'allow',
        rule: 1,
        credential: 'forwarded',
        proxy: idOf('ingress'),
        policy: 'mailers',
        revision: 'sha256:00',
      },
    ],
    'a would-be denial': [
      { ...allowed, rule: undefined, wouldBe: { ...denied, rule: 3, policy: 'no-mail', missing: ['x'] } },
      { ...common, effect: 'allow', wouldBe: { ...reason, rule: 3, policy: 'no-mail', missing: ['x'] } },
    ],
  }
  for (const [what, [event, line]] of Object.entries(kinds)) {
    test(what, async (context) => {
      assert.deepEqual(await write(context, [event]), [line])
    })
  }
})

describe('leaves out what may be secret', () => {
  const paths: readonly (readonly [path: string, written: string, state?: string])[] = [
    ['/a?token=secret', '/a'],
    ['/a#token=secret', '/a'],
    ['*', '*'],
    ['https://name:secret@host/a', '(redacted)', 'redacted'],
    ['secret.example:443', '(redacted)', 'redacted'],
    ['?secret', '(redacted)', 'redacted'],
    ['', '(redacted)', 'redacted'],
    [`/${'a'.repeat(254)}`, `/${'a'.repeat(254)}`],
    [`/${'a'.repeat(255)}`, `/${'a'.repeat(255)}`, 'cut'],
    [`/${'a'.repeat(300)}`, `/${'a'.repeat(255)}`, 'cut'],
  ]
  for (const [path, written, state] of paths) {
    test(`the path ${path.slice(0, 40)} (${path.length})`, async (context) => {
      const [line] = await write(context, [{ ...allowed, path }])
      assert.deepEqual([line?.['path'], line?.['pathState']], [written, state])
    })
  }

  test('headers, the detail and unknown fields of an event', async (context) => {
    const secret = { headers: { cookie: 'secret' }, query: 'secret', detail: 'secret', host: 'secret' }
    const lines = await write(context, [
      { ...allowed, ...secret },
      { ...denied, ...secret },
      { ...allowed, wouldBe: { ...denied, ...secret } },
    ])
    assert.equal(lines.length, 3)
    assert.doesNotMatch(JSON.stringify(lines), /secret/)
  })

  test('the remote address, unless it is included', async (context) => {
    const event = { ...allowed, remoteAddress: '192.0.2.1' }
    const [line] = await write(context, [event])
    const [included] = await write(context, [event], { include: ['remoteAddress'] })
    assert.equal(line?.['remoteAddress'], undefined)
    assert.equal(included?.['remoteAddress'], '192.0.2.1')
  })

  const masks: Readonly<Record<string, readonly [(path: string) => unknown, string]>> = {
    'what redactPath returns': [(path) => path.replace(/\d+/, ':id'), '/accounts/:id'],
    'a placeholder, if it throws': [
      (path) => {
        throw new Error(path)
      },
      '(redacted)',
    ],
    'a placeholder, if it returns a promise': [() => Promise.reject(new Error('late')), '(redacted)'],
    'a placeholder, if it returns nothing': [() => undefined, '(redacted)'],
    'at most 256 characters of it': [(path) => path.repeat(100), '/accounts/4711'.repeat(100).slice(0, 256)],
  }
  for (const [what, [mask, written]] of Object.entries(masks)) {
    test(`writes ${what}`, async (context) => {
      const path = join(createFolder(context), 'decisions.jsonl')
      // @ts-expect-error: what a program without types may pass
      const log = decisionLog({ path, redactPath: mask })
      publish({ ...denied, path: '/accounts/4711?secret' })
      await log.close()
      const [line] = readLines(path)
      assert.deepEqual([line?.['path'], line?.['pathState']], [written, 'redacted'])
    })
  }

  test('redactPath receives no query', async (context) => {
    const seen: string[] = []
    await write(context, [{ ...allowed, path: '/a?secret' }], {
      redactPath: (path) => {
        seen.push(path)
        return path
      },
    })
    assert.deepEqual(seen, ['/a'])
  })
})

describe('one decision is one line of ASCII', () => {
  const hostile = '/a\n{"version":1}\r\n\u0000\u007F\u0085\u2028\u2029\u202E"\\é😀\uD800'
  for (const field of ['path', 'method', 'principal', 'credential', 'proxy', 'policy', 'revision', 'id'] as const) {
    test(`whatever ${field} contains`, async (context) => {
      const event = { ...denied, principal: idOf('mailer'), path: '/', [field]: hostile }
      const [line, ...more] = await write(context, [event])
      assert.deepEqual(more, [])
      assert.equal(line?.[field], field === 'method' ? hostile.slice(0, 32) : hostile)
    })
  }

  test('with texts of any length', async (context) => {
    const long = '\u2028'.repeat(100_000)
    const event = { ...denied, principal: long, path: `/${long}`, method: long, policy: long, proxy: long }
    const [line] = await write(context, [{ ...event, missing: Array.from({ length: 1000 }, () => long) }])
    assert.ok(JSON.stringify(line).length < 100_000)
  })
})

describe('ignores what no guard publishes', () => {
  for (const event of [{ type: 'denial' }, { at: 'never' }, { at: Number.NaN }, { missing: 1 }]) {
    test(JSON.stringify(event), async (context) => {
      const path = join(createFolder(context), 'decisions.jsonl')
      const log = decisionLog({ path })
      publish({ ...denied, principal: idOf('mailer'), ...event })
      publish({ ...denied, principal: idOf('mailer') })
      await log.close()
      assert.equal(readLines(path).filter(({ type }) => type === 'decision').length, 1)
      assert.equal(log.dropped.failed, 'type' in event ? 0 : 1)
    })
  }
})
