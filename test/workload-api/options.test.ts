import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createWorkloadApiClient, workloadApiSource } from '@countersign/workload-api'

const endpoint = 'unix:///run/nobody-listens-here.sock'

for (const [what, options] of [
  ['an empty hint, which no agent could mean', { hint: '' }],
  ['W-10: a hint of 1025 bytes', { hint: 'a'.repeat(1025) }],
  ['W-10: a hint whose characters are few and whose bytes are many', { hint: '€'.repeat(342) }],
  ['an empty timeout', { timeoutMs: 0 }],
  ['a timeout that is not a number', { timeoutMs: Number.NaN }],
  ['a timeout longer than any timer', { timeoutMs: 2 ** 31 }],
  ['an empty retry interval', { maxRetryMs: 0 }],
  ['an infinite retry interval', { maxRetryMs: Infinity }],
] as const) {
  test(`a source rejects ${what}`, async () => {
    await assert.rejects(workloadApiSource({ endpoint, ...options }), { code: 'option_invalid' })
  })
}

for (const [what, options] of [
  ['a string for a number', { timeoutMs: '5s' }],
  ['a number for text', { hint: 1 }],
  ['an address that is not a string', { endpoint: new URL('unix:///run/agent.sock') }],
  ['a string for true or false', { startWithoutSvid: 'yes' }],
] as const) {
  test(`a source rejects ${what}`, async () => {
    await assert.rejects(callUntyped(options), { code: 'option_invalid' })
  })
}

test('a source rejects an unknown option and names it', async () => {
  await assert.rejects(callUntyped({ endpoint, timeout: 5000 }), { code: 'option_unknown', value: 'timeout' })
})

test('a client rejects an unknown option and an address that is not a string', () => {
  const call: (options: object) => unknown = createWorkloadApiClient
  assert.throws(() => call({ endpoint, hint: 'internal' }), { code: 'option_unknown', value: 'hint' })
  assert.throws(() => call({ endpoint: 1 }), { code: 'option_invalid', value: 1 })
})

test('source and client reject options that are not an object', async () => {
  for (const options of [null, 'unix:///run/agent.sock', [endpoint]]) {
    assert.throws(() => void Reflect.apply(createWorkloadApiClient, undefined, [options]), {
      code: 'option_invalid',
      value: options,
    })
    const open = async (): Promise<void> => void (await Reflect.apply(workloadApiSource, undefined, [options]))
    await assert.rejects(open, { code: 'option_invalid', value: options })
  }
})

for (const timeoutMs of [0, -1, Number.NaN, Infinity]) {
  test(`a client rejects a timeout of ${timeoutMs}`, () => {
    assert.throws(() => createWorkloadApiClient({ endpoint, timeoutMs }), { code: 'option_invalid' })
  })
}

for (const audience of [[], [''], ['billing', '']]) {
  test(`W-15: never requests a JWT-SVID without an audience: ${JSON.stringify(audience)}`, async () => {
    await assert.rejects(createWorkloadApiClient({ endpoint }).fetchJwtSvid({ audience }), { code: 'option_invalid' })
  })
}

// What a JavaScript program could pass.
function callUntyped(options: object): Promise<unknown> {
  const call: (options: object) => Promise<unknown> = workloadApiSource
  return call(options)
}
