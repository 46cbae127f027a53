import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { describe, test } from 'node:test'
import { ConfigurationError, decisionLog } from '@countersign/core'

const stream = new PassThrough()

describe('an invalid option is refused at the start', () => {
  const inputs: readonly (readonly [what: string, input: unknown, code?: string])[] = [
    ['nothing', undefined],
    ['a path as text', '/var/log/decisions.jsonl'],
    ['neither path nor stream', {}],
    ['both', { path: '/tmp/x', stream }],
    ['an empty path', { path: '' }],
    ['a path with a null byte', { path: '/tmp/x\0' }],
    ['something that is not a stream', { stream: { write: () => true } }],
    ['a percentage', { stream, sampleAllowed: 5 }],
    ['a negative sample', { stream, sampleAllowed: -0.1 }],
    ['a sample that is not a number', { stream, sampleAllowed: Number.NaN }],
    ['a sample as text', { stream, sampleAllowed: '0.1' }],
    ['an infinite limit', { stream, maxPerSecond: Number.POSITIVE_INFINITY }],
    ['a negative limit', { stream, maxPerSecond: -1 }],
    ['a queue that is too small', { stream, maxQueueBytes: 1000 }],
    ['a queue without a bound', { stream, maxQueueBytes: Number.POSITIVE_INFINITY }],
    ['a field that is never written', { stream, include: ['headers'] }],
    ['a field as text', { stream, include: 'remoteAddress' }],
    ['a pattern as redactPath', { stream, redactPath: /\d+/ }],
    ['onError as text', { stream, onError: 'ignore' }],
    ['a misspelled option', { stream, sampleAllow: 0.1 }, 'option_unknown'],
  ]
  for (const [what, input, code = 'option_invalid'] of inputs) {
    test(what, () => {
      assert.throws(
        () => Reflect.apply(decisionLog, undefined, [input]),
        (error) => error instanceof ConfigurationError && error.code === code,
      )
    })
  }

  for (const [what, input] of [
    ['text', { timeoutMs: '5s' }],
    ['a negative number', { timeoutMs: -1 }],
    ['no end', { timeoutMs: Number.POSITIVE_INFINITY }],
    ['a misspelling', { timeout: 5 }],
  ] as const) {
    test(`of close: ${what}`, async () => {
      const log = decisionLog({ stream })
      // @ts-expect-error: what a program without types may pass
      assert.throws(() => log.close(input), ConfigurationError)
      await log.close()
    })
  }
})

test('a log that is refused does not listen', () => {
  const listeners = process.listenerCount('exit')
  assert.throws(() => decisionLog({ path: '/missing/folder/decisions.jsonl' }))
  assert.equal(process.listenerCount('exit'), listeners)
})
