import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { createWorkloadApiClient, workloadApiSource } from '@countersign/workload-api'

const vectors = readVectors()

for (const { input, endpoint } of vectors) {
  if (endpoint !== undefined) {
    test(`E-4, E-5: accepts the address ${JSON.stringify(input)}`, () => {
      assert.equal(createWorkloadApiClient({ endpoint: input }).endpoint, endpoint)
    })
  } else {
    test(`E-4, E-5: rejects the address ${JSON.stringify(input)}`, async () => {
      assert.throws(() => createWorkloadApiClient({ endpoint: input }), { code: 'option_invalid', value: input })
      await assert.rejects(workloadApiSource({ endpoint: input }), { code: 'option_invalid', value: input })
    })
  }
}

test('covers every vector, valid and invalid', () => {
  assert.deepEqual([vectors.length, vectors.filter(({ endpoint }) => endpoint !== undefined).length], [26, 4])
})

for (const [input, endpoint] of [
  ['tcp://[::1]:8081', 'tcp://[::1]:8081'],
  ['unix:///run/my%20agent/agent.sock', 'unix:///run/my agent/agent.sock'],
  ['tcp://127.0.0.1:65535', 'tcp://127.0.0.1:65535'],
] as const) {
  test(`E-4, E-5: accepts the address ${input}, which is in no vector`, () => {
    assert.equal(createWorkloadApiClient({ endpoint: input }).endpoint, endpoint)
  })
}

for (const input of [
  '',
  'unix:///run/a%00b',
  'unix:///run/a%0Ab',
  'unix:///run/%zz',
  'unix:///run/agent.sock\n',
  'unix:///run/agent.sock?',
  'unix:///run/agent.sock#',
  'unix:////run/agent.sock',
  'unix://localhost/run/agent.sock',
  'UNIX:///run/agent.sock',
  '/run/agent.sock',
  'tcp://127.0.0.1:0',
  'tcp://127.0.0.1:-1',
  'tcp://127.0.0.1:80x',
  'tcp://127.0.0.1:',
  'tcp://127.1:80',
  'tcp://0x7f000001:80',
  'tcp://::1:80',
  'tcp://[127.0.0.1]:80',
  'tcp://[localhost]:80',
  'tcp://localhost:80',
  'tcp://@127.0.0.1:80',
  'http://127.0.0.1:80',
]) {
  test(`E-4, E-5: rejects the address ${JSON.stringify(input)}, which is in no vector`, () => {
    assert.throws(() => createWorkloadApiClient({ endpoint: input }), { code: 'option_invalid', value: input })
  })
}

test('E-3: uses the address of SPIFFE_ENDPOINT_SOCKET if none is configured', (context) => {
  setVariable(context, 'unix:///run/from-environment.sock')
  assert.equal(createWorkloadApiClient().endpoint, 'unix:///run/from-environment.sock')
})

test('E-3: prefers the configured address over the environment, even if the latter is invalid', (context) => {
  setVariable(context, 'nonsense')
  assert.equal(createWorkloadApiClient({ endpoint: 'unix:///run/a.sock' }).endpoint, 'unix:///run/a.sock')
})

test('E-3: rejects an invalid address in the environment, naming the variable', (context) => {
  setVariable(context, 'unix://run/agent.sock')
  assert.throws(() => createWorkloadApiClient(), {
    code: 'option_invalid',
    value: 'unix://run/agent.sock',
    message: /^SPIFFE_ENDPOINT_SOCKET: /,
  })
})

for (const value of [undefined, ''] as const) {
  test(`E-3: does not start without an address: the variable is ${value === undefined ? 'not set' : 'empty'}`, async (context) => {
    setVariable(context, value)
    const refusal = { code: 'option_invalid', message: /SPIFFE_ENDPOINT_SOCKET/ }
    assert.throws(() => createWorkloadApiClient(), refusal)
    await assert.rejects(workloadApiSource(), refusal)
    await assert.rejects(workloadApiSource({ startWithoutSvid: true }), refusal)
  })
}

test('shows only the beginning of a long address', () => {
  const endpoint = `unix://host/${'long'.repeat(100)}`
  assert.throws(
    () => createWorkloadApiClient({ endpoint }),
    (error) => error instanceof Error && error.message.length < 250,
  )
})

function setVariable(context: { readonly after: (undo: () => void) => void }, value: string | undefined): void {
  const before = process.env['SPIFFE_ENDPOINT_SOCKET']
  const set = (next: string | undefined): void => {
    if (next === undefined) delete process.env['SPIFFE_ENDPOINT_SOCKET']
    else process.env['SPIFFE_ENDPOINT_SOCKET'] = next
  }
  set(value)
  context.after(() => set(before))
}

interface Vector {
  readonly input: string
  /**
   * The address as we format it. Undefined if the address is invalid, or if accepting it is optional, because we refuse
   * it then.
   */
  readonly endpoint: string | undefined
}

function readVectors(): readonly Vector[] {
  const file = new URL('../vectors/workload-endpoint-addresses.json', import.meta.url)
  const rows: unknown = JSON.parse(readFileSync(file, 'utf8'))
  assert.ok(Array.isArray(rows))
  return rows.map((row: unknown) => {
    assert.ok(typeof row === 'object' && row !== null)
    const read = (name: string): string => String(Reflect.get(row, name))
    if (read('verdict') !== 'valid') return { input: read('input'), endpoint: undefined }
    const address = read('transport') === 'unix' ? `unix://${read('path')}` : `tcp://${read('host')}:${read('port')}`
    return { input: read('input'), endpoint: address }
  })
}
